// Finding: what a person typed, which loaded messages fit it, and which topics a token; and the first part of a text.
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

/**
 * Whether a topic matches a pattern of a token, in which `*` matches any characters, or none.
 * @param {string} pattern
 * @param {string} topic
 */
export function fitsPattern(pattern, topic) {
  const [first, ...parts] = pattern.split('*');
  const last = parts.pop();
  if (last === undefined) return topic === pattern;
  if (!topic.startsWith(first)) return false;
  let rest = topic.slice(first.length);
  if (!rest.endsWith(last)) return false;
  rest = rest.slice(0, rest.length - last.length);
  return parts.every((part) => {
    const at = rest.indexOf(part);
    rest = rest.slice(at + part.length);
    return at >= 0;
  });
}

const graphemes = 'Segmenter' in Intl ? new Intl.Segmenter(undefined, { granularity: 'grapheme' }) : null;
const LONGEST = 64; // The most code units of one character as a person sees it; a longer one may be cut.
/**
 * A text of at most this many code units, which does not end within a character, with an ellipsis if it was cut.
 * @param {string} text
 * @param {number} most
 */
export function excerpt(text, most) {
  if (text.length <= most) return text;
  const from = Math.max(0, most - LONGEST);
  const near = text.slice(from, most + LONGEST);
  const at = from + (graphemes?.segment(near).containing(most - from)?.index ?? most - from);
  // A surrogate pair is never cut.
  const end = at > from ? at : most;
  const isWithin = /[\uDC00-\uDFFF]/.test(text[end]) && /[\uD800-\uDBFF]/.test(text[end - 1]);
  return `${text.slice(0, isWithin ? end - 1 : end)}…`;
}
/** Embeddings, overrides and isolates, which change the direction of the text after them. */
const BIDI = /([\u202A-\u202E\u2066-\u2069])/;
/**
 * A text in parts: every second one is the escape of a character that would reorder the text.
 * @param {string} text
 */
export const bidiParts = (text) => text.split(BIDI)
  .map((part, at) => (at % 2 ? `\\u{${part.charCodeAt(0).toString(16)}}` : part));
/** @param {string} text Whether a person sees nothing of it, as of zero-width characters. */
export const isInvisible = (text) => !/[^\p{Cc}\p{Cf}\p{Z}\u115F\u1160\u2800\u3164\uFFA0]/u.test(text);
