// Sending: a panel beside what is read, which keeps its place. A retry of what may have arrived is stored once.
import { create, createButton, keepFocus } from './dom.js';
import { $, data, kept, lang, problemOf, request } from './session.js';
import { T } from './texts.js';

const most = Number(data.maxLength);
const MOST_PAIRS = 16;
/** What can be wrong with the value of an attribute, not with its key. */
const IN_VALUE = ['length', 'control-character', 'null', 'not-a-string'];
const DRAFT = 'posthorn-draft';
// As the server counts: Unicode scalar values without surrounding white space.
const length = (/** @type {string} */ text) => [...text.trim()].length;

function newKey() {
  // `randomUUID` exists in secure contexts only; a laptop's page in a local network is none.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export class Composer {
  /** @param {{sent: (receipt: import('./types.d.ts').Receipt) => void, refused: (text?: string) => void}} owner */
  constructor(owner) {
    this.owner = owner;
    /** @type {{key: string, body: string} | null} */
    this.attempt = null; // The key and the body that it belongs to.
    this.held = 0; // Until when sending is held back.
    this.isSending = false;
    this.added = 0; // How many lines for attributes there have been.
    $('text').addEventListener('input', () => this.count());
    $('send').addEventListener('submit', (/** @type {Event} */ event) => { event.preventDefault(); this.send(); });
    $('composer').addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) { event.preventDefault(); this.send(); }
    });
    $('compose-close').addEventListener('click', () => this.close());
    $('pair-add').addEventListener('click', () => this.addPair());
    this.restore();
    this.count();
  }

  /** Keeps what is not sent yet while the page is loaded in another language. */
  keep() {
    const pairs = [...$('pairs').children].map((item) => this.inputs(item).map(({ value }) => value));
    const isOpen = !$('composer').hidden;
    const draft = { isOpen, topic: $('topic').value, text: $('text').value, pairs };
    if (isOpen || draft.text || pairs.length) kept(DRAFT, JSON.stringify(draft));
  }
  restore() {
    const draft = JSON.parse(kept(DRAFT, null) ?? 'null');
    if (!draft) return;
    $('text').value = draft.text;
    for (const pair of draft.pairs) this.addPair(pair);
    if (draft.isOpen) this.open(draft.topic);
  }

  /** @param {string} topic */
  open(topic) {
    if ($('composer').hidden) {
      this.opener = /** @type {HTMLElement | null} */ (document.activeElement);
      $('topic').value = topic;
      this.say('');
    }
    $('composer').hidden = false;
    $('text').focus();
  }
  close() {
    $('composer').hidden = true;
    const back = this.opener === document.body ? null : this.opener;
    keepFocus($('text'), back, ...['compose-open', 'compose-bar', 'drawer-open', 'main'].map($));
  }

  count() {
    const left = most - length($('text').value);
    $('count').textContent = left < 0 ? T.over((-left).toLocaleString(lang)) : T.left(left.toLocaleString(lang));
    $('count').classList.toggle('over', left < 0);
  }
  /** @param {string[]} [values] */
  addPair(values = []) {
    if ($('pairs').childElementCount >= MOST_PAIRS) return;
    const item = create('li');
    const error = create('p', 'error');
    this.added += 1;
    error.id = `pair-${this.added}-error`;
    error.hidden = true;
    const inputs = ['key', 'value'].map((name, at) => {
      const input = create('input', name);
      input.value = values[at] ?? '';
      input.setAttribute('aria-describedby', error.id);
      input.setAttribute('aria-label', T[name]);
      Object.assign(input, { placeholder: T[name], autocomplete: 'off', spellcheck: false, maxLength: name === 'key' ? 64 : 256 });
      return input;
    });
    const gone = createButton('icon', '×', () => { item.remove(); $('pair-add').focus(); });
    gone.setAttribute('aria-label', T.pairGone);
    item.append(...inputs, gone, error);
    $('pairs').append(item);
    inputs[0].focus();
  }
  /** @param {Element} item @returns {HTMLInputElement[]} Those of the key and the value. */
  inputs(item) { return [...item.querySelectorAll('input')]; }
  /** The keys and values, without the lines that are empty. An input that no attribute can be made of gets an error. */
  pairs() {
    /** @type {Map<string, string>} */
    const pairs = new Map();
    /** @type {HTMLElement[]} */
    const wrong = [];
    for (const item of $('pairs').children) {
      const [key, value] = this.inputs(item);
      if (!key.value && !value.value) continue;
      const trouble = !key.value ? T.keyMissing : pairs.has(key.value) ? T.keyTwice : '';
      if (trouble) wrong.push(this.mark(key, item.querySelector('.error'), trouble));
      pairs.set(key.value, value.value);
    }
    // An object made so may have the key `__proto__`.
    return { attributes: Object.fromEntries(pairs), wrong };
  }

  /** @param {string} text @param {boolean} [bad] */
  say(text, bad = false) {
    $('receipt').textContent = text;
    $('receipt').classList.toggle('error', bad);
  }
  /** @param {string} field @param {string} text @param {string} code */
  fieldError(field, text, code) {
    const [, name] = /^attributes\.(.*)$/s.exec(field) ?? [];
    const item = [...$('pairs').children].find((one) => this.inputs(one)[0].value === name);
    if (!item) return this.mark($(field === 'topic' ? 'topic' : 'text'), $(field === 'topic' ? 'topic-error' : 'text-error'), text);
    const [key, value] = this.inputs(item);
    return this.mark(IN_VALUE.includes(code) ? value : key, item.querySelector('.error'), text);
  }
  /**
   * Shows an error of an input, and returns the input.
   * @param {HTMLElement} input
   * @param {any} place Where the text stands.
   * @param {string} text
   */
  mark(input, place, text) {
    input.setAttribute('aria-invalid', 'true');
    place.textContent = [place.textContent, text].filter(Boolean).join(' ');
    place.hidden = false;
    return input;
  }
  clearErrors() {
    for (const input of $('send').querySelectorAll('[aria-invalid]')) input.removeAttribute('aria-invalid');
    for (const place of $('send').querySelectorAll('.error:not(output)')) {
      place.textContent = '';
      place.hidden = true;
    }
  }
  /** @param {number} seconds */
  holdBack(seconds) {
    this.held = Date.now() + seconds * 1000;
    $('send-button').setAttribute('aria-disabled', 'true');
    const tick = () => {
      const rest = Math.ceil((this.held - Date.now()) / 1000);
      if (rest > 0) {
        $('countdown').textContent = T.againIn(rest);
        setTimeout(tick, 250);
      } else {
        $('countdown').textContent = '';
        $('send-button').removeAttribute('aria-disabled');
        this.say(T.again);
      }
    };
    tick();
    this.say(T.overQuota, true);
  }

  async send() {
    if (this.isSending || Date.now() < this.held) return;
    this.clearErrors();
    const { attributes, wrong } = this.pairs();
    if (wrong.length) {
      wrong[0].focus();
      this.say(T.invalid, true);
      return;
    }
    const body = JSON.stringify({
      message: $('text').value, ...($('topic').value && { topic: $('topic').value }),
      ...(Object.keys(attributes).length && { attributes }),
    });
    if (this.attempt?.body !== body) this.attempt = { body, key: newKey() };
    this.isSending = true;
    $('send-button').setAttribute('aria-disabled', 'true');
    this.say(T.sending);
    try {
      const answer = await request('/api/v1/message', {
        method: 'POST', body, headers: { 'Content-Type': 'application/json', 'Idempotency-Key': this.attempt.key },
      });
      if (answer.status === 201) await this.stored(answer); else await this.rejected(answer);
    } catch {
      this.say(T.unsent, true);
    } finally {
      this.isSending = false;
      if (Date.now() >= this.held) $('send-button').removeAttribute('aria-disabled');
    }
  }
  /** @param {Response} answer */
  async stored(answer) {
    const receipt = await answer.json();
    this.attempt = null;
    const replayed = answer.headers.get('Idempotency-Replayed');
    const link = create('a', '', receipt.id);
    link.href = `#/${receipt.topic}/${receipt.id}`;
    const [before, after] = T.stored(receipt).split(receipt.id);
    this.say('');
    $('receipt').append(before, link, after, replayed ? ` ${T.replayed}` : '');
    $('text').value = '';
    this.count();
    $('text').focus();
    this.owner.sent(receipt);
  }
  /** @param {Response} answer */
  async rejected(answer) {
    const problem = await problemOf(answer);
    if (answer.status === 429) { this.holdBack(Number(answer.headers.get('Retry-After')) || 1); return; }
    if (answer.status === 401) this.owner.refused(problem.detail);
    const inputs = (problem.errors ?? []).map((error) => this.fieldError(error.field, error.message, error.code));
    inputs[0]?.focus();
    this.say(inputs.length ? T.invalid : T.failed(problem.detail ?? answer.statusText), true);
  }
}
