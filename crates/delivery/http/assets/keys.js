// Shortcuts of single keys. They rest while a person types or a dialog is open, and can be switched off (WCAG 2.1.4).
import { create } from './dom.js';
import { $ } from './session.js';
import { T } from './texts.js';

const KEPT = 'posthorn-keys';
const isOn = () => localStorage.getItem(KEPT) !== 'off';

/** @param {Record<string, (target: Element) => unknown>} actions By `KeyboardEvent.key`; false leaves the key to the browser. */
export function listenForKeys(actions) {
  $('keys').replaceChildren(...Object.entries(T.keys).flatMap(([keys, text]) => {
    const place = create('dt');
    place.append(...keys.split(/ (?=\S)/).map((key) => (key === '/' && keys.length > 1 ? '/' : create('kbd', '', key))));
    return [place, create('dd', '', String(text))];
  }));
  $('keys-on').checked = isOn();
  $('keys-on').addEventListener('change', () => localStorage.setItem(KEPT, $('keys-on').checked ? 'on' : 'off'));
  $('keys-open').addEventListener('click', () => $('keys-dialog').showModal());
  document.addEventListener('keydown', (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const isTyping = target.matches?.('input:not([type=checkbox]), textarea, select, [contenteditable]');
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector('dialog[open]')) return;
    if (event.key !== 'Escape' && (isTyping || !isOn())) return;
    const act = actions[event.key];
    if (act && act(target) !== false) event.preventDefault();
  });
}
