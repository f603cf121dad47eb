// What became of the chosen message at each consumer and webhook of its topic. While the page is visible it is looked at
// again every few seconds, and when the window gets the focus.
import { create, fullTime, keepFocus } from './dom.js';
import { $, lang, permits, request } from './session.js';
import { T } from './texts.js';
/** @typedef {import('./types.d.ts').Message} Message */
/** @typedef {import('./types.d.ts').Delivery} Delivery */

const LOOK_MS = 5000;
/** The members of the API, each with the scope that reading it needs. */
const KINDS = [['consumers', 'messages:consume'], ['webhooks', 'webhooks:manage']];

/** @param {string} moment A time of today without its date. */
function shortTime(moment) {
  const date = new Date(moment);
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? date.toLocaleTimeString(lang, { timeStyle: 'medium' }) : fullTime(moment);
}
/** @param {Delivery} delivery */
function textOf({ state, attempt, due_at: due, lease_expires_at: end, died_at: died, reason }) {
  const parts = [T.stateOf[state]];
  if (end) parts.push(T.until(shortTime(end)), T.attempt(attempt));
  if (due) parts.push(T.attempt(attempt), ...(Date.parse(due) > Date.now() ? [T.at(shortTime(due))] : []));
  if (died) parts.push(shortTime(died), T.attempts(attempt), ...(reason ? [] : [T.noReason]));
  if (reason) parts.push(T.reason(reason));
  return parts.join(' · ');
}

export class MessageStates {
  /** @param {(id: string) => void} gone Called when the topic no longer has the message. */
  constructor(gone) {
    this.gone = gone;
    this.element = create('div', 'states');
    /** @type {Message | null} */
    this.message = null;
    this.signal = new AbortController().signal;
    this.isLooking = false;
    this.shown = ''; // What is shown, as a text; empty if there is no consumer.
    setInterval(() => { if (this.shown) this.look(); }, LOOK_MS);
    document.addEventListener('visibilitychange', () => this.look());
    addEventListener('focus', () => this.look());
  }

  /** @param {Message} message @param {AbortSignal} signal Aborted when another message is chosen. */
  open(message, signal) {
    Object.assign(this, { message, signal, shown: '', isLooking: false });
    this.element.replaceChildren();
    this.look();
  }
  async look() {
    const { message, signal } = this;
    if (!message || signal.aborted || document.hidden || this.isLooking) return;
    this.isLooking = true;
    try {
      const found = await Promise.all(KINDS.map(([kind, scope]) => this.read(message, kind, scope, signal)));
      if (!signal.aborted) this.show(message.topic, found);
    } catch { /* The last states stay. */ }
    if (!signal.aborted) this.isLooking = false;
  }
  /**
   * @param {Message} message
   * @param {string} kind
   * @param {string} scope
   * @param {AbortSignal} signal
   * @returns {Promise<Delivery[]>}
   */
  async read({ topic, id }, kind, scope, signal) {
    if (!permits(scope, topic)) return [];
    const answer = await request(`/api/v1/topics/${topic}/messages/${id}/${kind}`, { signal });
    if (answer.status === 404 && !signal.aborted) this.gone(id);
    if (answer.status === 429 || answer.status >= 500) throw new Error(answer.statusText);
    return answer.ok ? (await answer.json())[kind] : [];
  }
  /** @param {string} topic @param {Delivery[][]} found Those of each kind. */
  show(topic, found) {
    const rows = found.flatMap((deliveries, at) => deliveries.map((delivery) => {
      const name = at ? T.aboutHook(delivery.name) : delivery.name;
      return { name, kind: KINDS[at][0], state: delivery.state, text: textOf(delivery) };
    }));
    const shown = rows.length ? JSON.stringify(rows) : '';
    if (shown === this.shown) return;
    this.shown = shown;
    const had = document.activeElement;
    const list = create('dl');
    list.append(...rows.flatMap(({ name, kind, state, text }) => {
      const link = create('a', '', name);
      link.href = `#/${topic}/${kind}`;
      const term = create('dt');
      term.append(link);
      const value = create('dd', state === 'dead' ? 'error' : '', text);
      if (state === 'settled') value.title = T.settledLong;
      return [term, value];
    }));
    this.element.replaceChildren(...(rows.length ? [create('h3', '', T.states), list] : []));
    keepFocus(had, list.querySelector('a'), $('detail-h'));
  }
}
