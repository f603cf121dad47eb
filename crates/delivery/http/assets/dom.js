// Elements, and the questions and notes of the page. Texts of messages are only ever set as text.
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
  element.textContent = text;
  return element;
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
/** @param {string} moment */
export const fullTime = (moment) => new Date(moment).toLocaleString(lang, { dateStyle: 'medium', timeStyle: 'medium' });
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

let toasting = 0;
/**
 * A short note at the edge, which goes by itself.
 * @param {string} text
 * @param {boolean} [bad]
 */
export function toast(text, bad = false) {
  clearTimeout(toasting);
  $('toast').textContent = text;
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
 * Asks in a dialog. `fields` are inputs; `act` gets their values. It gives the text of an error, or when done nothing or
 * what follows once the dialog is closed: before that nothing else can have the focus.
 * @param {{title: string, text?: string, ok: string, bad?: boolean,
 *   fields?: {name: string, label: string, value?: string, hint?: string}[],
 *   act: (values: Record<string, string>) => Promise<string | (() => void) | void>}} question
 */
export function ask({ title, text = '', ok, bad = false, fields = [], act }) {
  $('ask-h').textContent = title;
  $('ask-text').textContent = text;
  $('ask-text').hidden = !text;
  $('ask-ok').textContent = ok;
  $('ask-ok').classList.toggle('danger', bad);
  $('ask-error').hidden = true;
  $('ask-fields').replaceChildren(...fields.flatMap(({ name, label, value = '', hint = '' }) => {
    const tag = create('label', '', label);
    const input = create('input');
    tag.htmlFor = input.id = `ask-${name}`;
    Object.assign(input, { name, value, placeholder: hint, autocomplete: 'off', spellcheck: false });
    return [tag, input];
  }));
  let isBusy = false;
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (isBusy) return;
    isBusy = true;
    const values = Object.fromEntries(fields.map(({ name }) => [name, $(`ask-${name}`).value.trim()]));
    const outcome = await act(values);
    isBusy = false;
    const isError = typeof outcome === 'string';
    if (!$('ask').open || $('ask-form').onsubmit !== submit) {
      // It was cancelled meanwhile, and perhaps something else is asked.
      if (isError) toast(outcome, true); else outcome?.();
      return;
    }
    $('ask-error').textContent = isError ? outcome : '';
    $('ask-error').hidden = !isError;
    if (isError) return;
    $('ask').close();
    outcome?.();
  };
  $('ask-form').onsubmit = submit;
  $('ask').showModal();
}
$('ask-cancel').addEventListener('click', () => $('ask').close());
