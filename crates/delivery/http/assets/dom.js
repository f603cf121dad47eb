// Elements, and the questions and notes of the page. Texts of messages are only ever set as text.
import { bidiParts, excerpt, isInvisible } from './find.js';
import { relative } from './time.js';
import { $, lang } from './session.js';
import { T } from './texts.js';

/**
 * An element with a class and a text.
 * @param {string} tag
 * @param {string} [className]
 * @param {string} [text]
 * @returns {any}
 */
export function create(tag, className, text = '') {
  const element = document.createElement(tag);
  if (className) element.className = className;
  setText(element, text);
  return element;
}
/**
 * Sets the text of an element. Characters that would reorder the text are shown as marked escapes, and not applied.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  const parts = bidiParts(text);
  if (parts.length === 1) element.textContent = text;
  else element.replaceChildren(...parts.map((part, at) => (at % 2 ? create('span', 'escape', part) : part)));
}
/**
 * @param {string} className
 * @param {string} text
 * @param {() => void} action
 * @param {string} [about] What a screen reader adds to the text.
 */
export function createButton(className, text, action, about) {
  const button = create('button', className, text);
  button.type = 'button';
  if (about) button.setAttribute('aria-label', `${text}: ${about}`);
  button.addEventListener('click', action);
  return button;
}
/** @param {any} element Whether it can have the focus. */
const isVisible = (element) => Boolean(element?.isConnected && element.checkVisibility({ visibilityProperty: true }));
/**
 * Gives the focus to the first of `others` that can have it, if what had it is gone or hidden.
 * @param {Element | null} had What had the focus before.
 * @param {(Element | null | undefined)[]} others
 */
export function keepFocus(had, ...others) {
  const { activeElement: now, body } = document;
  if (!had || had === body || (now !== body && isVisible(now))) return;
  /** @type {any} */ (others.find(isVisible))?.focus({ preventScroll: true });
}
const FULL_TIME = new Intl.DateTimeFormat(lang, { dateStyle: 'medium', timeStyle: 'medium' });
/** @param {string} moment */
export const fullTime = (moment) => FULL_TIME.format(new Date(moment));
/**
 * A time that stays relative to now.
 * @param {string} moment
 */
export function createTime(moment) {
  const time = create('time', 'relative', relative(Date.parse(moment), Date.now(), lang));
  time.dateTime = moment;
  time.title = fullTime(moment);
  return time;
}
function freshen() {
  if (document.hidden) return;
  const now = Date.now();
  for (const time of document.querySelectorAll('time.relative')) {
    const text = relative(Date.parse(/** @type {HTMLTimeElement} */ (time).dateTime), now, lang);
    if (time.textContent !== text) time.textContent = text;
  }
}
setInterval(freshen, 15_000);
document.addEventListener('visibilitychange', freshen);

const MOST_CHIPS = 6;
/**
 * The first attributes as chips, and how many more there are.
 * @param {Record<string, string>} attributes
 */
export function createChips(attributes) {
  const all = Object.entries(attributes ?? {});
  const chips = all.slice(0, MOST_CHIPS).map(([key, value]) => {
    const chip = create('span', 'chip');
    chip.append(create('b', '', key), create('bdi', '', value));
    return chip;
  });
  if (all.length > MOST_CHIPS) chips.push(create('span', '', `+${all.length - MOST_CHIPS}`));
  return chips;
}

/**
 * The row of a message in the list.
 * @param {import('./types.d.ts').Message} message
 */
export function createRow({ id, topic, message, attributes, processed_at: accepted }) {
  const item = create('li');
  item.id = id;
  const link = create('a', 'row');
  link.href = `#/${topic}/${id}`;
  const isEmpty = isInvisible(message);
  const text = create('p', isEmpty ? 'text soft' : 'text', isEmpty ? T.invisible : excerpt(message, 400));
  text.dir = 'auto';
  const meta = create('div', 'meta');
  meta.append(createTime(accepted), ...createChips(attributes));
  link.append(text, meta);
  item.append(link);
  return item;
}

/**
 * Shows how the list is connected. What changes every second is not for screen readers.
 * @param {string} text
 * @param {{bad?: boolean, live?: boolean, next?: string, retry?: boolean}} [how] `retry` offers another attempt at once.
 */
export function showLink(text, { bad = false, live = false, next = '', retry = false } = {}) {
  if ($('link-text').textContent !== text) $('link-text').textContent = text;
  $('link-next').textContent = next && ` ${next}`;
  $('link').title = live ? T.liveLong : '';
  $('link').classList.toggle('error', bad);
  $('link').classList.toggle('on', live);
  const had = document.activeElement;
  $('link-retry').hidden = !retry;
  if (had === $('link-retry')) keepFocus(had, $('view-messages'), $('main'));
}

let [announcing, toAnnounce, orMore, spoke] = [0, 0, '', -Infinity];
/**
 * Tells screen readers of new messages, once in two seconds at most: many messages become one sentence.
 * @param {number} count
 * @param {string} text That of the last one.
 * @param {boolean} [isMore] Whether there are more than these.
 */
export function announce(count, text, isMore = false) {
  toAnnounce += count;
  if (isMore) orMore = '+';
  const wait = performance.now() - spoke < 2000 ? 2000 : 50;
  announcing ||= setTimeout(() => {
    setText($('announcer'), toAnnounce === 1 ? T.fresh(excerpt(text, 200)) : T.freshMany(`${toAnnounce.toLocaleString(lang)}${orMore}`));
    toAnnounce = announcing = 0;
    orMore = '';
    spoke = performance.now();
  }, wait);
}

let toasting = 0;
/**
 * A short note at the edge, which goes by itself.
 * @param {string} text
 * @param {boolean} [bad]
 */
export function toast(text, bad = false) {
  clearTimeout(toasting);
  setText($('toast'), text);
  $('toast').classList.toggle('error', bad);
  $('toast').hidden = false;
  toasting = setTimeout(() => { $('toast').hidden = true; }, 6000);
}
/**
 * Copies a text and says whether it could.
 * @param {string} text
 */
export async function copy(text) {
  const isCopied = await navigator.clipboard?.writeText(text).then(() => true, () => false) || copySelected(text);
  toast(isCopied ? T.copied : T.notCopied, !isCopied);
  return isCopied;
}
/**
 * Copies without the clipboard, which exists in secure contexts only.
 * @param {string} text
 */
function copySelected(text) {
  const had = /** @type {HTMLElement | null} */ (document.activeElement);
  const area = create('textarea', 'quiet');
  area.value = text;
  // What is outside of an open dialog cannot be selected.
  (document.querySelector('dialog[open]') ?? document.body).append(area);
  area.select();
  const isCopied = document.execCommand('copy');
  area.remove();
  had?.focus({ preventScroll: true });
  return isCopied;
}

/**
 * Asks in a dialog. `fields` are inputs; `act` gets their values. It gives the text of an error, or those of fields by
 * name, or when done nothing or what follows once the dialog is closed: before that nothing else can have the focus.
 * @param {{title: string, text?: string, ok: string, bad?: boolean,
 *   fields?: {name: string, label: string, value?: string, hint?: string}[],
 *   act: (values: Record<string, string>) => Promise<string | Record<string, string> | (() => void) | void>}} question
 */
export function ask({ title, text = '', ok, bad = false, fields = [], act }) {
  $('ask-h').textContent = title;
  setText($('ask-text'), text);
  $('ask-text').hidden = !text;
  $('ask-ok').textContent = ok;
  $('ask-ok').classList.toggle('danger', bad);
  $('ask-error').hidden = true;
  $('ask-fields').replaceChildren(...fields.flatMap(({ name, label, value = '', hint = '' }) => {
    const tag = create('label', '', label);
    const input = create('input');
    tag.htmlFor = input.id = `ask-${name}`;
    Object.assign(input, { name, value, placeholder: hint, autocomplete: 'off', spellcheck: false });
    const error = create('p', 'error');
    error.id = `ask-${name}-error`;
    error.hidden = true;
    input.setAttribute('aria-describedby', error.id);
    return [tag, input, error];
  }));
  let isBusy = false;
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (isBusy) return;
    isBusy = true;
    const values = Object.fromEntries(fields.map(({ name }) => [name, $(`ask-${name}`).value.trim()]));
    const outcome = await act(values);
    isBusy = false;
    const isAction = outcome === undefined || typeof outcome === 'function';
    const errors = typeof outcome === 'object' ? outcome : {};
    if (!$('ask').open || $('ask-form').onsubmit !== submit) {
      // It was cancelled meanwhile, and perhaps something else is asked.
      if (isAction) outcome?.(); else toast(typeof outcome === 'string' ? outcome : Object.values(outcome).join(' '), true);
      return;
    }
    $('ask-error').textContent = typeof outcome === 'string' ? outcome : '';
    $('ask-error').hidden = typeof outcome !== 'string';
    for (const { name } of fields) {
      const text = errors[name] ?? '';
      $(`ask-${name}`).toggleAttribute('aria-invalid', Boolean(text));
      $(`ask-${name}-error`).textContent = text;
      $(`ask-${name}-error`).hidden = !text;
    }
    $('ask-fields').querySelector('[aria-invalid]')?.focus();
    if (!isAction) return;
    $('ask').close();
    outcome?.();
  };
  $('ask-form').onsubmit = submit;
  $('ask').showModal();
}
$('ask-cancel').addEventListener('click', () => $('ask').close());
