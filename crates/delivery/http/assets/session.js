// The language of the page, the token of this tab, and requests with it. A token never becomes part of a URL.
import { fitsPattern } from './find.js';
/** @typedef {import('./types.d.ts').Problem} Problem */

/** @type {(id: string) => any} */
export const $ = (id) => document.getElementById(id);
export const data = document.body.dataset;
export const lang = document.documentElement.lang;
const isOpen = data.open === 'true';

/**
 * A value that this tab keeps, or with `localStorage` the browser; without access to the storage nothing is kept.
 * @param {string} key
 * @param {string | null} [value] Kept from now on; null forgets it.
 * @param {'sessionStorage' | 'localStorage'} [storage]
 * @returns {string | null} The value that was kept before.
 */
export function kept(key, value, storage = 'sessionStorage') {
  try {
    const before = globalThis[storage].getItem(key);
    if (value === null) globalThis[storage].removeItem(key);
    else if (value !== undefined) globalThis[storage].setItem(key, value);
    return before;
  } catch { return null; }
}

let token = kept('token') ?? '';
export const hasToken = () => Boolean(token);
/** @param {string} text */
export function setToken(text) {
  token = text.trim();
  kept('token', token || null);
}
export function claims() {
  try {
    const part = token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/');
    return JSON.parse(atob(part));
  } catch { return {}; }
}
/**
 * Whether an action in a topic that needs `scope` is offered. The server decides on the action itself.
 * @param {string} scope
 * @param {string} topic
 */
export function permits(scope, topic) {
  if (isOpen || (scope === 'messages:write' && data.writes === 'true')) return true;
  const { scope: scopes = '', topics = [] } = claims();
  return ` ${scopes} `.includes(` ${scope} `) && topics.some((/** @type {string} */ one) => fitsPattern(one, topic));
}

/**
 * A text that differs between tokens, and tells nothing of them. Needs a secure context.
 * @returns {Promise<string>}
 */
export async function tokenMark() {
  const bytes = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token));
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16)).join('');
}

/**
 * @param {string} path
 * @param {Omit<RequestInit, 'headers'> & {headers?: Record<string, string>}} [options]
 */
export function request(path, options = {}) {
  /** @type {Record<string, string>} */
  const headers = { 'Accept-Language': lang, ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  return fetch(data.base + path, { cache: 'no-store', ...options, headers });
}
/**
 * @param {Response} answer
 * @returns {Promise<Problem>}
 */
export async function problemOf(answer) {
  try { return await answer.json(); } catch { return {}; }
}
/**
 * The options of a request with a JSON body.
 * @param {string} method
 * @param {unknown} body
 */
export const json = (method, body) => ({
  method, body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' },
});
/**
 * Waits, at most until the signal is aborted.
 * @param {number} ms
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export const pause = (ms, signal) => new Promise((done) => {
  if (signal?.aborted) return done();
  const timer = setTimeout(done, ms);
  signal?.addEventListener('abort', () => { clearTimeout(timer); done(); }, { once: true });
});
