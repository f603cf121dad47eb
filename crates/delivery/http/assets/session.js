// The language of the page, the token of this tab, and requests with it. A token never becomes part of a URL.
export const $ = (id) => document.getElementById(id);
export const data = document.body.dataset;
export const lang = document.documentElement.lang;

let token = sessionStorage.getItem('token') ?? '';
export const hasToken = () => Boolean(token);
export function setToken(text) {
  token = text.trim();
  if (token) sessionStorage.setItem('token', token); else sessionStorage.removeItem('token');
}
function claims() {
  try {
    const part = token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/');
    return JSON.parse(atob(part));
  } catch { return {}; }
}
// Whether an action that needs `scope` is offered. The server decides on the action itself.
export const permits = (scope) => data.open === 'true' || ` ${claims().scope ?? ''} `.includes(` ${scope} `);

export function request(path, options = {}) {
  const headers = { 'Accept-Language': lang, ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  return fetch(data.base + path, { cache: 'no-store', ...options, headers });
}
export async function problemOf(answer) {
  try { return await answer.json(); } catch { return {}; }
}

// An element with a class and a text. Texts of messages are only ever set as text.
export function create(tag, className, text = '') {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}
export function createButton(className, text, action) {
  const button = create('button', className, text);
  button.type = 'button';
  button.addEventListener('click', action);
  return button;
}
export function createTime(moment) {
  const time = create('time', '', new Date(moment).toLocaleString(lang));
  time.dateTime = moment;
  return time;
}
