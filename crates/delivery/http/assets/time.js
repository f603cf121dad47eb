// Times and ids: relative times, ULIDs and their order, and times as a person types them.
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
export const BEGINNING = '0'.repeat(26);

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const UNITS = [['year', 31_536_000], ['month', 2_592_000], ['day', 86_400], ['hour', 3600], ['minute', 60]];
/** @type {Map<string, Intl.RelativeTimeFormat>} */
const formats = new Map();
/** @param {string} lang The format of a language, of which making one takes longer than using it. */
function formatOf(lang) {
  const format = formats.get(lang) ?? new Intl.RelativeTimeFormat(lang, { numeric: 'auto', style: 'short' });
  formats.set(lang, format);
  return format;
}
/**
 * A time relative to now, such as "3 min. ago".
 * @param {number} moment Milliseconds since 1970, as is `now`.
 * @param {number} now
 * @param {string} lang
 * @param {boolean} [withSeconds] Without them the last minute is "now", so that texts do not change all the time.
 */
export function relative(moment, now, lang, withSeconds = false) {
  const seconds = (moment - now) / 1000;
  const format = formatOf(lang);
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) >= length) return format.format(Math.trunc(seconds / length), unit);
  }
  return format.format(withSeconds ? Math.trunc(seconds) : 0, 'second');
}
/**
 * A time span in its largest unit, such as "3 min".
 * @param {number} seconds
 * @param {string} lang
 */
export function span(seconds, lang) {
  const [unit, length] = UNITS.slice(2).find((one) => seconds >= one[1]) ?? ['second', 1];
  return new Intl.NumberFormat(lang, { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: 0 }).format(seconds / length);
}
/**
 * A duration, such as "2d 03:04:05".
 * @param {number} seconds
 */
export function duration(seconds) {
  const [d, h, m, s] = [86400, 3600, 60, 1].map((unit, i, all) => Math.floor((i ? seconds % all[i - 1] : seconds) / unit));
  return `${d ? `${d}d ` : ''}${[h, m, s].map((part) => String(part).padStart(2, '0')).join(':')}`;
}

/** @param {string} text */
export const isUlid = (text) => /^[0-7][0-9a-hjkmnp-tv-z]{25}$/i.test(text);
/**
 * The time of an id, in milliseconds since 1970.
 * @param {string} id
 */
export const ulidTime = (id) => [...id.slice(0, 10).toUpperCase()].reduce((sum, c) => sum * 32 + ALPHABET.indexOf(c), 0);
/**
 * The id just before this one, so that "after it" includes this one.
 * @param {string} id
 */
export function ulidBefore(id) {
  const digits = [...id.toUpperCase()].map((c) => ALPHABET.indexOf(c));
  for (let at = digits.length - 1; at >= 0; at--) {
    if (digits[at] > 0) {
      digits[at] -= 1;
      return digits.map((digit) => ALPHABET[digit]).join('');
    }
    digits[at] = 31;
  }
  return BEGINNING;
}

/**
 * The parameter `since` for what a person types: a duration back, or a date with or without a time and a zone.
 * @param {string} text
 * @returns {string | null}
 */
export function parseSince(text) {
  if (/^\d{1,6}[smhd]$/.test(text)) return text;
  if (!/^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?$/.test(text)) return null;
  const moment = new Date(text.length === 10 ? `${text}T00:00` : text.replace(' ', 'T'));
  return Number.isNaN(moment.getTime()) ? null : moment.toISOString();
}
