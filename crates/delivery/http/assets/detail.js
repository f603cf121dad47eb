// The chosen message at the right: all of it, ways to copy it, and its state at each consumer.
import { ask, copy, create, createButton, createTime, fullTime, keepFocus, setText, toast } from './dom.js';
import { excerpt, isInvisible } from './find.js';
import { $, data, pause, permits, problemOf, request } from './session.js';
import { MessageStates } from './states.js';
import { T } from './texts.js';
/** @typedef {import('./types.d.ts').Message} Message */

/**
 * The text with indentation if it is a JSON object or array, else null.
 * @param {string} text
 */
function indented(text) {
  if (!/^\s*[[{]/.test(text)) return null;
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return null; }
}
/**
 * A command that sends the message again.
 * @param {Message} message
 */
function curlOf({ topic, message, attributes }) {
  const body = JSON.stringify({ message, ...(Object.keys(attributes ?? {}).length && { attributes }) });
  const url = `${location.origin}${data.base}/api/v1/topics/${topic}/messages`;
  return `curl --json '${body.replaceAll("'", "'\\''")}' ${url}`;
}

export class Detail {
  /**
   * @param {{close: () => void, filter: (text: string) => void, removed: (id: string) => void,
   *   gone: (id: string) => void}} owner
   */
  constructor(owner) {
    this.owner = owner;
    /** @type {Message | null} */
    this.message = null;
    this.showing = new AbortController();
    this.states = new MessageStates((id) => this.gone(id));
    /** Receipts of messages that this tab sent. @type {Map<string, string>} */
    this.durability = new Map();
  }

  /**
   * Shows a message. One that cannot be read now is asked for again, and its place says why.
   * @param {string} topic @param {string} id
   * @param {Message} [loaded]
   * @param {number} [tries] How often it could not be read.
   */
  async open(topic, id, loaded, tries = 0) {
    this.showing.abort();
    const { signal } = this.showing = new AbortController();
    let message = loaded;
    let [trouble, wait] = [T.unreachable, Math.min(30, 2 ** tries)];
    if (!message) {
      try {
        const answer = await request(`/api/v1/topics/${topic}/messages/${id}`, { signal });
        if (answer.ok) message = await answer.json();
        else if (answer.status === 404) trouble = '';
        else {
          wait = Number(answer.headers.get('Retry-After')) || wait;
          trouble = answer.status === 429 ? T.overQuota : T.failed((await problemOf(answer)).detail ?? answer.statusText);
          // Another token opens it again.
          if (answer.status === 401 || answer.status === 403) wait = Infinity;
        }
      } catch { /* The server does not respond. */ }
    }
    if (signal.aborted) return;
    if (message) {
      this.message = message;
      this.show(message);
      this.states.open(message, signal);
    } else if (trouble) {
      this.showTrouble(trouble, () => this.open(topic, id, undefined, tries + 1));
      if (Number.isFinite(wait)) pause(wait * 1000, signal).then(() => { if (!signal.aborted) this.open(topic, id, undefined, tries + 1); });
    } else {
      toast(T.noMessage, true);
      this.owner.gone(id);
    }
  }
  hide() {
    this.showing.abort();
    this.message = null;
    $('detail').hidden = true;
    $('detail').replaceChildren();
  }

  /** @param {string} id Leaves a message that was there and is no longer. */
  gone(id) {
    if (this.message?.id !== id) return;
    toast(T.deleted, true);
    this.owner.gone(id);
  }
  head() {
    const head = create('div', 'head');
    const back = createButton('icon', '×', () => this.owner.close());
    back.id = 'detail-close';
    back.setAttribute('aria-label', T.close);
    const title = create('h2', '', T.message);
    title.id = 'detail-h';
    title.tabIndex = -1;
    head.append(title, back);
    return head;
  }
  /** @param {(Element | string)[]} parts */
  fill(parts) {
    const had = document.activeElement;
    const hadFocus = $('detail').contains(had);
    $('detail').replaceChildren(...parts);
    $('detail').scrollTop = 0;
    $('detail').hidden = false;
    if (hadFocus) keepFocus(had, $('detail-h'));
  }
  /** @param {string} reason @param {() => void} retry */
  showTrouble(reason, retry) {
    const isNew = $('detail').querySelector('.trouble')?.textContent !== reason;
    if (isNew) toast(reason, true);
    this.message = null;
    const tools = create('div', 'tools');
    tools.append(createButton('plain', T.retry, retry));
    this.fill([this.head(), create('p', 'trouble error', reason), tools]);
  }

  /** @param {Message} message */
  show(message) {
    const pretty = indented(message.message);
    const isEmpty = isInvisible(message.message);
    const text = create('pre', isEmpty ? 'whole soft' : 'whole', isEmpty ? T.invisible : pretty ?? message.message);
    text.tabIndex = 0;
    text.dir = 'auto';
    text.classList.toggle('prose', !pretty);
    const tools = create('div', 'tools');
    tools.append(
      createButton('plain', T.text, () => copy(message.message)),
      createButton('plain', T.asJson, () => copy(JSON.stringify(message, null, 2)), T.text),
      createButton('plain', T.asCurl, () => copy(curlOf(message)), T.text),
    );
    if (pretty) {
      const toggle = createButton('plain', T.verbatim, () => {
        const isPretty = toggle.textContent === T.verbatim;
        setText(text, isPretty ? message.message : pretty);
        toggle.textContent = isPretty ? T.formatted : T.verbatim;
      });
      tools.append(toggle);
    }
    if (permits('messages:delete', message.topic)) tools.append(createButton('plain delete', T.remove, () => this.remove()));
    this.fill([this.head(), text, tools, ...this.attributes(message), this.facts(message), this.states.element]);
  }
  /** @param {Message} message */
  attributes({ attributes }) {
    const entries = Object.entries(attributes ?? {});
    if (!entries.length) return [];
    const list = create('ul', 'attributes');
    list.setAttribute('aria-label', T.attributes);
    list.append(...entries.map(([key, value]) => {
      const item = create('li');
      const button = createButton('', '', () => this.owner.filter(`${key}=${value}`));
      button.append(create('b', '', key), create('bdi', '', value));
      button.title = T.filterBy;
      item.append(button);
      return item;
    }));
    return [create('h3', '', T.attributes), list];
  }
  /** @param {Message} message */
  facts(message) {
    const facts = create('dl');
    const durability = this.durability.get(message.id) ?? data.durability ?? '';
    const id = create('code', '', message.id);
    const time = create('time', '', fullTime(message.processed_at));
    time.dateTime = time.title = message.processed_at;
    for (const [name, value] of [
      [T.id, id], [T.topic, create('span', '', message.topic)], [T.accepted, time], [T.age, createTime(message.processed_at)],
      [T.durability, create('span', '', `${durability}: ${T.durable[durability] ?? ''}`)],
      [T.characters, create('span', '', String([...message.message].length))],
    ]) {
      const place = create('dd');
      place.append(value);
      facts.append(create('dt', '', name), place);
    }
    return facts;
  }

  remove() {
    const { message } = this;
    if (!message || !permits('messages:delete', message.topic)) return;
    ask({
      title: T.deleteMessage, text: excerpt(message.message, 300), ok: T.remove, bad: true,
      act: async () => {
        try {
          const answer = await request(`/api/v1/topics/${message.topic}/messages/${message.id}`, { method: 'DELETE' });
          if (!answer.ok && answer.status !== 404) return T.failed((await problemOf(answer)).detail ?? T.denied);
          toast(answer.ok ? T.removed : T.deleted, !answer.ok);
        } catch { return T.failed(T.unreachable); }
        return () => this.owner.removed(message.id);
      },
    });
  }
}
