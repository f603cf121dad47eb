// Finding: what a person typed, and which loaded messages fit it.
import { isUlid, parseSince } from './time.js';

/**
 * @param {string} text
 * @returns {import('./types.d.ts').Finding}
 */
export function parseFind(text) {
  const wanted = text.trim();
  if (!wanted) return { kind: 'none', text: '' };
  if (isUlid(wanted)) return { kind: 'id', text: wanted.toUpperCase() };
  const since = parseSince(wanted);
  if (since) return { kind: 'time', text: wanted, since };
  return { kind: 'filter', text: wanted };
}

/**
 * Whether a message fits every word: `key=value` an attribute, any other word the text, an attribute or, if it is long
 * enough to mean one, the id.
 * @param {import('./types.d.ts').Message} message
 * @param {string} filter
 */
export function fits(message, filter) {
  const attributes = Object.entries(message.attributes ?? {});
  const all = [message.message, ...attributes.flat()].join('\n').toLowerCase();
  const id = message.id.toLowerCase();
  return filter.toLowerCase().split(/\s+/).filter(Boolean).every((word) => {
    const [, key, value] = /^([a-z0-9._-]+)=(.*)$/.exec(word) ?? [];
    if (key && attributes.some(([k, v]) => k === key && v.toLowerCase().includes(value))) return true;
    return all.includes(word) || (word.length >= 6 && id.includes(word));
  });
}
