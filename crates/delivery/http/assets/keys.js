// Shortcuts of single keys. They rest while a person types or a dialog is open, and can be switched off (WCAG 2.1.4).
import { create } from './dom.js';
import { $, kept } from './session.js';
import { T } from './texts.js';

const KEPT = 'posthorn-keys';
const isOn = () => kept(KEPT, undefined, 'localStorage') !== 'off';
/** The characters of other keys than letters, without and with Shift, on a keyboard for English. @type {Record<string, string>} */
const PLACES = { Slash: '/?', BracketLeft: '[', BracketRight: ']', Digit3: '3#' };

/**
 * The name of a key in `actions`. A layout that is not Latin is taken for the English one by the place of the key.
 * @param {KeyboardEvent} event
 */
function nameOf({ key, code, shiftKey }) {
  const isLatin = key.length > 1 || (key < '\u0080' && !(code === 'Slash' && /[.,]/.test(key)));
  if (isLatin) return key;
  const [, letter] = /^Key([A-Z])$/.exec(code) ?? [];
  if (letter) return shiftKey ? letter : letter.toLowerCase();
  return PLACES[code]?.[Number(shiftKey)] ?? key;
}

/** @param {Record<string, (target: Element) => unknown>} actions By `KeyboardEvent.key`; false leaves the key to the browser. */
export function listenForKeys(actions) {
  $('keys').replaceChildren(...Object.entries(T.keys).flatMap(([keys, text]) => {
    const place = create('dt');
    place.append(...keys.split(/ (?=\S)/).map((key) => (key === '/' && keys.length > 1 ? '/' : create('kbd', '', key))));
    return [place, create('dd', '', String(text))];
  }));
  $('keys-on').checked = isOn();
  $('keys-on').addEventListener('change', () => kept(KEPT, $('keys-on').checked ? 'on' : 'off', 'localStorage'));
  $('keys-open').addEventListener('click', () => $('keys-dialog').showModal());
  document.addEventListener('keydown', (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const isTyping = target.matches?.('input:not([type=checkbox]), textarea, select, [contenteditable]');
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector('dialog[open]')) return;
    if (event.key !== 'Escape' && (isTyping || !isOn())) return;
    const act = actions[nameOf(event)];
    if (act && act(target) !== false) event.preventDefault();
  });
}
