// The topics at the left, with their counts and what is new in them since this browser last looked.
import { create } from './dom.js';
import { $, lang, request } from './session.js';
import { T } from './texts.js';
/** @typedef {import('./types.d.ts').Topic} Topic */

const KEPT = 'posthorn-seen';
const LIST_MS = 10_000;
const MOST_SEEN = 500; // With more, only topics that are listed are remembered.
export const isTopicName = (/** @type {string} */ name) => /^[a-z0-9][a-z0-9._-]{0,63}$/.test(name);

/** @returns {Record<string, {id: string, count: number}>} */
function readSeen() {
  try { return JSON.parse(localStorage.getItem(KEPT) ?? '{}'); } catch { return {}; }
}

export class TopicList {
  /** @param {{begins: () => number, listed: (topic: Topic | undefined, begun: number) => void}} owner Gets the open topic. */
  constructor(owner) {
    this.owner = owner;
    this.filter = ''; // A part of the names that are shown.
    /** @type {Topic[]} */
    this.topics = [];
    this.open = 'inbox';
    this.isCurrent = true; // False while what is shown is of no topic.
    this.listing = 0;
    this.viewing = new AbortController(); // Aborted when another token is entered.
    setInterval(() => { if (!document.hidden) this.refresh(); }, LIST_MS);
    document.addEventListener('visibilitychange', () => { if (!document.hidden) this.refresh(); });
  }

  refreshSoon() {
    this.listing ||= setTimeout(() => { this.listing = 0; this.refresh(); }, 1000);
  }
  async refresh() {
    const { signal } = this.viewing;
    const begun = this.owner.begins();
    const { open } = this;
    const answer = await request('/api/v1/topics?limit=200', { signal }).catch(() => null);
    const list = answer?.ok && await answer.json().catch(() => null);
    if (!list || signal.aborted) return;
    this.topics = list.topics;
    $('topics-more').hidden = !list.next;
    this.show();
    const found = this.topics.find(({ topic }) => topic === open);
    // A topic that is not listed is empty, unless the list is cut.
    if (open === this.open && (found || !list.next)) this.owner.listed(found, begun);
  }
  /** @param {string} topic @param {boolean} isCurrent */
  choose(topic, isCurrent) {
    const isAnother = topic !== this.open;
    Object.assign(this, { open: topic, isCurrent });
    this.show();
    if (isAnother) $('topics').querySelector(`[data-topic="${topic}"]`)?.scrollIntoView({ block: 'nearest' });
  }
  /** @param {string} text Shows the topics with this text in their names only, and the open one. */
  find(text) {
    this.filter = text.trim().toLowerCase();
    this.show();
  }
  /** Forgets what another token was permitted to see. */
  reset() {
    this.viewing.abort();
    this.viewing = new AbortController();
    this.topics = [];
  }
  show() {
    const seen = readSeen();
    const open = this.topics.find(({ topic }) => topic === this.open);
    if (open && !document.hidden) seen[open.topic] = { id: open.last_id, count: open.count };
    const listed = open ? this.topics : [{ topic: this.open, count: NaN, first_id: '', last_id: '' }, ...this.topics];
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.topic;
    // Each is marked as seen, shown or not.
    const items = listed.map((one) => {
      if (Number.isNaN(one.count)) return this.item(one, 0);
      const before = seen[one.topic] ??= { id: one.last_id, count: one.count };
      const fresh = one.last_id > before.id && one.topic !== this.open ? Math.max(1, one.count - before.count) : 0;
      return this.item(one, fresh);
    });
    $('topics').replaceChildren(...items.filter((_, at) => listed[at].topic === this.open || listed[at].topic.includes(this.filter)));
    // What a person has scrolled to stays in sight.
    if (focused) ($('topics').querySelector(`[data-topic="${focused}"]`) ?? $('open-name')).focus({ preventScroll: true });
    const isFull = Object.keys(seen).length > MOST_SEEN;
    const kept = isFull ? Object.fromEntries(this.topics.map(({ topic }) => [topic, seen[topic]])) : seen;
    try { localStorage.setItem(KEPT, JSON.stringify(kept)); } catch { /* Nothing is new then. */ }
  }
  /** @param {Topic} one @param {number} fresh */
  item({ topic, count }, fresh) {
    const item = create('li');
    const link = create('a', fresh ? 'new' : '');
    link.href = `#/${topic}`;
    link.dataset.topic = topic;
    if (topic === this.open && this.isCurrent) link.setAttribute('aria-current', 'page');
    link.append(create('span', 'name', topic));
    if (fresh) {
      const badge = create('span', 'badge', fresh.toLocaleString(lang));
      badge.title = T.newSince(fresh);
      link.append(badge);
    }
    // How many a topic has that is not listed is not known.
    if (!Number.isNaN(count)) {
      const number = create('span', 'count', count.toLocaleString(lang));
      number.title = T.messages(count);
      link.append(number);
    }
    item.append(link);
    return item;
  }
  /** @param {number} step */
  neighbour(step) {
    const links = [...$('topics').querySelectorAll('a')];
    const at = links.findIndex((link) => link.dataset.topic === this.open);
    return links[Math.min(links.length - 1, Math.max(0, at + step))]?.dataset.topic;
  }
}
