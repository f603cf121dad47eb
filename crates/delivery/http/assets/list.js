// The list of a topic's messages: what is loaded of them, how it grows at both ends, and what of it is shown.
import { create, createChips, createTime, toast } from './dom.js';
import { fits, parseFind } from './find.js';
import { givenAnswer, givenPage } from './given.js';
import { Live, refusal } from './live.js';
import { $, hasToken, lang, pause, request } from './session.js';
import { T } from './texts.js';
import { BEGINNING, ulidBefore } from './time.js';
import { MessageWindow } from './window.js';
/** @typedef {import('./types.d.ts').Message} Message */
/** @typedef {import('./types.d.ts').Page} Page */

const PAGE = 50;
const NEAR_TOP = 40; // Pixels within which the newest messages are in sight.
const NEAR_END = 400; // Pixels from an end at which more is loaded.

/** @param {string} text @param {boolean} [bad] @param {boolean} [live] */
function showLink(text, bad = false, live = false) {
  if ($('link').textContent !== text) $('link').textContent = text;
  $('link').title = live ? T.liveLong : '';
  $('link').classList.toggle('error', bad);
  $('link').classList.toggle('on', live);
}

export class MessageList {
  /**
   * @param {{arrived: (m: Message) => void, refused: (text?: string) => void,
   *   loaded: () => void}} owner
   */
  constructor(owner) {
    this.owner = owner;
    this.topic = '';
    this.window = new MessageWindow();
    /** @type {Map<string, any>} */
    this.rows = new Map();
    this.chosen = '';
    this.unseen = 0; // How many have arrived above what is in sight.
    this.filter = '';
    this.isLoading = false;
    this.opening = new AbortController();
    this.updating = 0;
    this.announcing = 0;
    this.toAnnounce = 0;
    this.spoke = -Infinity;
    this.live = new Live({
      message: (message) => this.arrived(message),
      state: (name, seconds) => this.state(name, seconds),
      note: (name, text) => toast(typeof T[name] === 'function' ? T[name](text) : T[name], true),
      refused: (status, text) => this.refuse(status, text),
      reload: () => this.open(this.topic),
    });
    for (const end of ['older', 'newer']) $(end).addEventListener('click', () => this.extend(end));
    $('newest').addEventListener('click', () => this.toNewest());
    for (const target of [$('list'), window]) target.addEventListener('scroll', () => this.scrolled(), { passive: true });
    $('find').addEventListener('input', () => this.find());
    $('find-form').addEventListener('submit', (/** @type {Event} */ event) => { event.preventDefault(); this.jump(); });
  }

  /** What scrolls: the pane, or on small screens the document. */
  get scroller() {
    return getComputedStyle($('list')).overflowY === 'auto' ? $('list') : document.scrollingElement;
  }
  get isAtTop() { return this.scroller.scrollTop < NEAR_TOP; }

  /** @param {string} topic */
  async open(topic) {
    this.close();
    const { signal } = this.opening = new AbortController();
    this.topic = topic;
    const given = givenPage(topic);
    if (!given) {
      this.show([], { atNewest: true, atOldest: true });
      $('empty').hidden = true;
      $('messages').setAttribute('aria-busy', 'true');
    }
    showLink(T.connecting);
    const page = given ?? await this.first(signal);
    $('messages').removeAttribute('aria-busy');
    if (!page || signal.aborted) return;
    this.show(page.messages, { atNewest: true, atOldest: !page.next });
    performance.mark('messages');
    this.extendNear('older');
    this.owner.loaded();
    // From the beginning if it is empty: a message that came meanwhile is not missed.
    this.live.open(topic, page.messages[0]?.id ?? BEGINNING);
  }
  close() {
    this.opening.abort();
    this.live.close();
  }

  /** @param {AbortSignal} signal @returns {Promise<Page | null>} */
  async first(signal) {
    for (let tries = 0; !signal.aborted; tries++) {
      let wait = Math.min(30, 2 ** tries);
      try {
        const path = `/api/v1/topics/${this.topic}/messages?order=desc&limit=${PAGE}`;
        const answer = await (givenAnswer(path) ?? request(path, { signal }));
        if (answer.ok) return await answer.json();
        const reason = await refusal(answer);
        if (reason.final) {
          this.refuse(reason.status, hasToken() ? reason.detail : undefined);
          return null;
        }
        wait = reason.wait ?? wait;
      } catch { /* The state line says it. */ }
      for (let rest = wait; rest > 0 && !signal.aborted; rest--) {
        this.state(navigator.onLine ? 'broken' : 'offline', rest);
        await pause(1000, signal);
      }
    }
    return null;
  }
  /** @param {number} status @param {string} [text] */
  refuse(status, text) {
    showLink(text ?? (status === 401 ? T.refused : T.denied), true);
    if (status === 401) this.owner.refused(text);
  }
  /** @param {string} name @param {number} [seconds] */
  state(name, seconds) {
    const text = T[name];
    showLink(typeof text === 'function' ? text(seconds) : text, !['live', 'connecting'].includes(name), name === 'live');
  }

  // ---- what is loaded
  /** @param {Message[]} messages @param {{atNewest: boolean, atOldest: boolean}} ends */
  show(messages, ends) {
    this.window.reset(messages, ends);
    this.rows.clear();
    $('messages').replaceChildren(...messages.map((message) => this.row(message)));
    this.scroller.scrollTop = 0;
    this.unseen = 0;
    this.update();
  }
  update() {
    const { items, atNewest, atOldest } = this.window;
    $('older').hidden = atOldest || !items.length;
    $('older').textContent = this.filter ? T.more : $('older').dataset.text ??= $('older').textContent;
    $('newer').hidden = atNewest;
    $('empty').hidden = Boolean(items.length) || !atNewest || !atOldest;
    $('newest').hidden = atNewest && !this.unseen;
    $('newest').textContent = T.newest(this.unseen);
    let count = 0;
    for (const message of items) {
      const isShown = this.fits(message);
      this.rows.get(message.id).hidden = !isShown;
      count += Number(isShown);
    }
    if (this.filter) $('find-hint').textContent = T.found(count.toLocaleString(lang), items.length.toLocaleString(lang));
  }
  /** @param {Message} message */
  fits(message) { return !this.filter || fits(message, this.filter); }

  /** @param {Message} message */
  row(message) {
    const item = create('li');
    item.id = message.id;
    const link = create('a', 'row');
    link.href = `#/${message.topic}/${message.id}`;
    const text = create('p', 'text', message.message.slice(0, 400));
    text.dir = 'auto';
    const meta = create('div', 'meta');
    meta.append(createTime(message.processed_at), ...createChips(message.attributes));
    link.append(text, meta);
    item.append(link);
    this.rows.set(message.id, item);
    if (message.id === this.chosen) link.setAttribute('aria-current', 'true');
    return item;
  }

  /**
   * Changes the list without moving what is in sight: `keep` is a row that stays, or the first one if there is none.
   * @param {() => void} act
   */
  inPlace(act) {
    const { scroller } = this;
    const top = scroller === $('list') ? scroller.getBoundingClientRect().top : 0;
    const keep = [...$('messages').children].find((row) => row.getBoundingClientRect().bottom > top + 1);
    const before = keep?.getBoundingClientRect().top;
    act();
    if (keep?.isConnected) scroller.scrollTop += keep.getBoundingClientRect().top - before;
  }
  /** @param {Message[]} dropped */
  drop(dropped) {
    for (const { id } of dropped) {
      this.rows.get(id)?.remove();
      this.rows.delete(id);
    }
  }

  /** @param {Message} message */
  arrived(message) {
    this.owner.arrived(message);
    if (!this.window.atNewest) {
      this.unseen += 1;
    } else if (!this.window.has(message.id)) {
      const stays = this.isAtTop && !document.hidden;
      const add = () => {
        const row = this.row(message);
        row.classList.add('fresh');
        $('messages').prepend(row);
        this.drop(this.window.addNewer([message]));
      };
      if (stays) add(); else { this.inPlace(add); this.unseen += 1; }
    }
    this.updateSoon();
    this.announce(message);
  }
  updateSoon() {
    // A hidden tab has no frames.
    if (document.hidden) this.update();
    else this.updating ||= requestAnimationFrame(() => { this.updating = 0; this.update(); });
  }
  /** @param {Message} message Announced once in two seconds at most: many messages become one sentence. */
  announce(message) {
    this.toAnnounce += 1;
    const wait = performance.now() - this.spoke < 2000 ? 2000 : 50;
    this.announcing ||= setTimeout(() => {
      $('announcer').textContent = this.toAnnounce === 1 ? T.fresh(message.message.slice(0, 200)) : T.freshMany(this.toAnnounce);
      this.toAnnounce = this.announcing = 0;
      this.spoke = performance.now();
    }, wait);
  }
  scrolled() {
    for (const end of ['older', 'newer']) this.extendNear(end);
    if (!this.unseen || !this.window.atNewest || !this.isAtTop) return;
    this.unseen = 0;
    this.update();
  }
  toNewest() {
    if (!this.window.atNewest) { this.open(this.topic); return; }
    this.scroller.scrollTop = 0;
    this.scrolled();
    this.rows.get(this.window.newest?.id)?.firstElementChild.focus();
  }

  /** @param {string} query @returns {Promise<Page | null>} */
  async page(query) {
    const { topic } = this;
    try {
      const answer = await request(`/api/v1/topics/${topic}/messages?limit=${PAGE}&${query}`, { signal: this.opening.signal });
      return answer.ok && topic === this.topic ? await answer.json() : null;
    } catch { return null; }
  }

  /** @param {string} end Loads the next page at one end, `older` or `newer`. */
  async extend(end) {
    const isOlder = end === 'older';
    const edge = isOlder ? this.window.oldest : this.window.newest;
    if (this.isLoading || !edge) return;
    this.isLoading = true;
    const page = await this.page(isOlder ? `order=desc&before=${edge.id}` : `after=${edge.id}`);
    this.isLoading = false;
    if (!page || edge !== (isOlder ? this.window.oldest : this.window.newest)) return;
    this.inPlace(() => {
      const rows = page.messages.filter(({ id }) => !this.rows.has(id)).map((message) => this.row(message));
      if (isOlder) {
        $('messages').append(...rows);
        this.window.atOldest = !page.next;
        this.drop(this.window.addOlder(page.messages));
      } else {
        const messages = page.messages.reverse();
        $('messages').prepend(...rows.reverse());
        this.window.atNewest = !page.next;
        this.drop(this.window.addNewer(messages));
      }
      this.update();
    });
    this.extendNear(end);
  }
  /** @param {string} end Loads on if the end is in sight or nearly so. */
  extendNear(end) {
    if (this.filter || !$(end).offsetParent) return;
    const { top, bottom } = $(end).getBoundingClientRect();
    if (bottom > -NEAR_END && top < innerHeight + NEAR_END) this.extend(end);
  }

  // ---- finding
  find() {
    const { kind, text } = parseFind($('find').value);
    this.filter = kind === 'filter' ? text : '';
    $('find-hint').textContent = kind === 'id' ? T.enterId : kind === 'time' ? T.enterTime : '';
    this.update();
  }
  async jump() {
    const { kind, text, since } = parseFind($('find').value);
    if (kind === 'id') { location.hash = `#/${this.topic}/${text}`; await this.around(`after=${ulidBefore(text)}`, text); }
    if (kind === 'time') await this.around(`since=${encodeURIComponent(since ?? '')}`);
    if (kind === 'filter') $('messages').querySelector('li:not([hidden]) a')?.focus();
  }
  /**
   * Loads what is around a place. `from` selects what comes from it on.
   * @param {string} from
   * @param {string} [id] The message that is wanted there.
   */
  async around(from, id) {
    const newer = await this.page(from);
    if (!newer) return;
    if (!newer.messages.length && !id) { $('find-hint').textContent = T.nothingSince; return; }
    const edge = newer.messages[0]?.id ?? id;
    const older = await this.page(`order=desc&before=${edge}`);
    if (!older) return;
    const wanted = newer.messages[0];
    const atNewest = !newer.next;
    this.show([...newer.messages.reverse(), ...older.messages], { atNewest, atOldest: !older.next });
    const isFound = !id || wanted?.id === id;
    $('find-hint').textContent = isFound ? '' : T.absent;
    if (isFound) { $('find').value = ''; this.find(); }
    const row = this.rows.get(wanted?.id ?? older.messages[0]?.id);
    row?.scrollIntoView({ block: 'center' });
    row?.firstElementChild.focus({ preventScroll: true });
    row?.classList.add('fresh');
  }

  // ---- the chosen message
  /** @param {string} id */
  choose(id) {
    this.rows.get(this.chosen)?.firstElementChild.removeAttribute('aria-current');
    this.chosen = id;
    this.rows.get(id)?.firstElementChild.setAttribute('aria-current', 'true');
  }
  /** @param {number} step The message to choose from here; beyond the end more are loaded. */
  step(step) {
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.closest('#messages li')?.id;
    const next = this.window.neighbour(focused || this.chosen, step, (message) => this.fits(message));
    if (next) this.focus(next.id);
    return next;
  }
  /** @param {string} [id] */
  focus(id) {
    const row = this.rows.get(id ?? this.chosen) ?? $('messages').querySelector('li:not([hidden])');
    row?.firstElementChild.focus();
    row?.scrollIntoView({ block: 'nearest' });
  }
  /** @param {string} id */
  remove(id) {
    const next = this.window.neighbour(id, 1, (message) => this.fits(message));
    this.window.remove(id);
    this.rows.get(id)?.remove();
    this.rows.delete(id);
    this.update();
    return next?.id === id ? undefined : next;
  }
  /** @param {string} id */
  get(id) { return this.window.items.find((message) => message.id === id); }
}
