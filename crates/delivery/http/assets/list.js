// The list of a topic's messages: what is loaded of them, how it grows at both ends, and what of it is shown.
import { announce, createRow, keepFocus, showLink, toast } from './dom.js';
import { fits, parseFind } from './find.js';
import { givenAnswer, givenPage } from './given.js';
import { countDown, Live, refusal } from './live.js';
import { $, hasToken, lang, problemOf, request } from './session.js';
import { T } from './texts.js';
import { BEGINNING, ulidBefore } from './time.js';
import { MOST_FILTERED, MOST_LOADED, MessageWindow } from './window.js';
/** @typedef {import('./types.d.ts').Message} Message */
/** @typedef {import('./types.d.ts').Page} Page */

const PAGE = 50;
const MOST_FRESH = 5; // How many rows of a batch are highlighted: hundreds of animations are slow.
const NEAR_TOP = 40; // Pixels within which the newest messages are in sight.
const NEAR_END = 400; // Pixels from an end at which more is loaded.

export class MessageList {
  /**
   * @param {{arrived: (count: number) => void, refused: (text?: string) => void,
   *   loaded: () => void, linked: (state: string) => void}} owner
   */
  constructor(owner) {
    this.owner = owner;
    this.topic = '';
    this.window = new MessageWindow();
    /** @type {Map<string, any>} */
    this.rows = new Map();
    this.chosen = '';
    this.unseen = 0; // How many have arrived above what is in sight.
    this.arrivals = 0; // How many have arrived at all.
    this.counted = NaN; // The count of the topic for which the list was loaded again.
    this.filter = '';
    this.isLoading = false;
    this.isKnown = false;
    this.held = 0; // Until when scrolling loads nothing, after a failure.
    this.opening = new AbortController();
    this.live = new Live({
      messages: (messages) => this.arrived(messages),
      state: (name, seconds) => this.state(name, seconds),
      note: (name, text) => toast(typeof T[name] === 'function' ? T[name](text) : T[name], true),
      refused: (status, text) => this.refuse(status, text),
      reload: () => this.open(this.topic, true),
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

  /**
   * Shows the newest messages of a topic.
   * @param {string} topic
   * @param {boolean} [isAgain] True if what is loaded stays until they are there, and in any case what a person reads.
   */
  async open(topic, isAgain = false) {
    this.close();
    const { signal } = this.opening = new AbortController();
    this.topic = topic;
    const given = givenPage(topic);
    if (!given && !isAgain) {
      this.show([], { atNewest: true, atOldest: true }, false);
      $('messages').setAttribute('aria-busy', 'true');
    }
    $('refused').hidden = true;
    if (!isAgain) showLink(T.connecting);
    const page = given ?? await this.first(signal);
    $('messages').removeAttribute('aria-busy');
    if (!page || signal.aborted) return;
    const newest = this.window.newest?.id ?? '';
    const missed = isAgain ? page.messages.filter(({ id }) => id > newest) : [];
    if (missed.length) announce(missed.length, missed[0].message, missed.length === PAGE);
    const { length } = page.messages;
    if (length && isAgain && !this.isAtTop) {
      const [ids, last] = [new Set(page.messages.map(({ id }) => id)), page.messages[length - 1].id];
      this.unseen += missed.length;
      this.window.atNewest &&= !missed.length;
      this.forget(this.window.items.filter(({ id }) => id >= last && !ids.has(id)));
    } else this.show(page.messages, { atNewest: true, atOldest: !page.next });
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
      let why = 'broken';
      try {
        const path = `/api/v1/topics/${this.topic}/messages?order=desc&limit=${PAGE}`;
        const answer = await (givenAnswer(path) ?? request(path, { signal }));
        if (answer.ok) return await answer.json();
        const reason = await refusal(answer);
        // Meanwhile another topic may have been opened, which this says nothing of.
        if (signal.aborted) return null;
        if (reason.final) {
          this.refuse(reason.status, hasToken() ? reason.detail : undefined);
          return null;
        }
        wait = reason.wait ?? wait;
        why = reason.why ?? why;
      } catch { /* The state line says it. */ }
      await countDown(wait, signal, (rest) => this.state(navigator.onLine ? why : 'offline', rest));
    }
    return null;
  }
  /** @param {number} status @param {string} [text] */
  refuse(status, text) {
    this.live.close();
    const reason = text ?? (status === 401 ? T.refused : T.denied);
    showLink(reason, { bad: true });
    this.show([], { atNewest: true, atOldest: true }, false);
    $('refused').hidden = false;
    $('refused-text').textContent = reason;
    if (status === 401) this.owner.refused(text);
  }
  /** @param {string} name @param {number} [seconds] */
  state(name, seconds) {
    const next = seconds && name !== 'offline' ? T.next(seconds) : '';
    showLink(T[name], { bad: !['live', 'connecting'].includes(name), live: name === 'live', next, retry: name === 'broken' });
    this.owner.linked(name);
  }

  // ---- what is loaded
  /**
   * @param {Message[]} messages
   * @param {{atNewest: boolean, atOldest: boolean}} ends
   * @param {boolean} [isKnown] False before they are loaded: that there are none is not known then.
   */
  show(messages, ends, isKnown = true) {
    this.isKnown = isKnown;
    this.window.reset(messages, ends);
    this.rows.clear();
    const had = document.activeElement;
    $('messages').replaceChildren(...messages.map((message) => this.row(message)));
    const row = had?.closest('#messages li')?.id ?? '';
    keepFocus(had, this.rows.get(row)?.firstElementChild, $('view-messages'), $('main'));
    this.scroller.scrollTop = 0;
    this.unseen = 0;
    this.update();
  }
  update() {
    const { items, atNewest, atOldest } = this.window;
    $('older').hidden = atOldest || !items.length;
    $('older').textContent = this.filter ? T.more : $('older').dataset.text ??= $('older').textContent;
    $('newer').hidden = atNewest;
    $('empty').hidden = !this.isKnown || Boolean(items.length) || !atNewest || !atOldest;
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
    const item = createRow(message);
    this.rows.set(message.id, item);
    if (message.id === this.chosen) item.firstElementChild.setAttribute('aria-current', 'true');
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
    const had = document.activeElement;
    for (const { id } of dropped) {
      this.rows.get(id)?.remove();
      this.rows.delete(id);
    }
    const { newest, oldest } = this.window;
    if (newest && oldest) keepFocus(had, this.rows.get((dropped[0]?.id > newest.id ? newest : oldest).id)?.firstElementChild);
  }

  /** @param {Message[]} messages A batch of new ones, the oldest first. */
  arrived(messages) {
    this.arrivals += messages.length;
    this.owner.arrived(messages.length);
    announce(messages.length, messages[messages.length - 1].message);
    const news = messages.filter(({ id }) => !this.rows.has(id)).reverse();
    const { isAtTop } = this; // Computes the layout, once for the batch.
    // A large batch would take what is read out of the list at its other end.
    if (!isAtTop && news.length > PAGE) this.window.atNewest = false;
    const add = () => {
      if (this.window.atNewest) this.addNews(news);
      this.update();
    };
    if (isAtTop && this.window.atNewest && !document.hidden) add();
    else {
      this.unseen += news.length;
      this.inPlace(add);
    }
  }
  /** @param {Message[]} news The newest first. */
  addNews(news) {
    const dropped = this.window.addNewer(news);
    // Of a batch that is longer than the list the rest has no rows.
    const rows = this.window.items.filter(({ id }) => !this.rows.has(id)).map((message) => this.row(message));
    for (const row of rows.slice(0, MOST_FRESH)) row.classList.add('fresh');
    $('messages').prepend(...rows);
    this.drop(dropped);
  }
  scrolled() {
    for (const end of ['older', 'newer']) this.extendNear(end);
    if (!this.unseen || !this.window.atNewest || !this.isAtTop) return;
    this.unseen = 0;
    this.update();
  }
  async toNewest() {
    if (this.window.atNewest) {
      this.scroller.scrollTop = 0;
      this.scrolled();
    } else await this.open(this.topic);
    this.rows.get(this.window.newest?.id)?.firstElementChild.focus();
  }

  /** @param {string} query @returns {Promise<Page | null>} */
  async page(query) {
    const { topic } = this;
    try {
      const answer = await request(`/api/v1/topics/${topic}/messages?limit=${PAGE}&${query}`, { signal: this.opening.signal });
      if (topic !== this.topic) return null;
      if (answer.ok) return await answer.json();
      const wait = Number(answer.headers.get('Retry-After')) || 1;
      this.hold(wait, answer.status === 429 ? T.wait(wait) : T.failed((await problemOf(answer)).detail ?? ''));
    } catch { if (topic === this.topic && !this.opening.signal.aborted) this.hold(2, T.unreachable); }
    return null;
  }
  /** @param {number} seconds Until scrolling loads again. @param {string} reason */
  hold(seconds, reason) {
    this.held = performance.now() + seconds * 1000;
    toast(reason, true);
  }

  /** @param {string} end Loads the next page at one end, `older` or `newer`. */
  async extend(end) {
    const isOlder = end === 'older';
    const edge = isOlder ? this.window.oldest : this.window.newest;
    if (this.isLoading || !edge) return;
    this.isLoading = true;
    const had = document.activeElement;
    const { arrivals } = this;
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
        // What arrived meanwhile may be behind the page: the next one has it.
        this.window.atNewest = !page.next && arrivals === this.arrivals;
        this.drop(this.window.addNewer(messages));
      }
      this.update();
      keepFocus(had, rows[0]?.firstElementChild, $('view-messages'));
    });
    this.extendNear(end);
  }
  /** @param {string} end Loads on if the end is in sight or nearly so. */
  extendNear(end) {
    if (this.filter || !$(end).offsetParent || performance.now() < this.held) return;
    const { top, bottom } = $(end).getBoundingClientRect();
    if (bottom > -NEAR_END && top < innerHeight + NEAR_END) this.extend(end);
  }

  // ---- finding
  find() {
    const { kind, text } = parseFind($('find').value);
    this.filter = kind === 'filter' ? text : '';
    // What matches stays while a person searches further back.
    this.window.most = this.filter ? MOST_FILTERED : MOST_LOADED;
    $('find-hint').textContent = kind === 'id' ? T.enterId : kind === 'time' ? T.enterTime : '';
    this.update();
  }
  async jump() {
    const { kind, text, since } = parseFind($('find').value);
    if (kind === 'id' && await this.around(`after=${ulidBefore(text)}`, text)) location.hash = `#/${this.topic}/${text}`;
    if (kind === 'time') await this.around(`since=${encodeURIComponent(since ?? '')}`);
    if (kind === 'filter') $('messages').querySelector('li:not([hidden]) a')?.focus();
  }
  /**
   * Loads what is around a place, and returns whether it is there. `from` selects what comes from it on.
   * @param {string} from
   * @param {string} [id] The message that is wanted there.
   */
  async around(from, id) {
    const { arrivals } = this;
    const newer = await this.page(from);
    if (!newer) return false;
    if (!newer.messages.length && !id) { $('find-hint').textContent = T.nothingSince; return false; }
    const edge = newer.messages[0]?.id ?? id;
    const older = await this.page(`order=desc&before=${edge}`);
    if (!older) return false;
    const wanted = newer.messages[0];
    const atNewest = !newer.next && arrivals === this.arrivals;
    this.show([...newer.messages.reverse(), ...older.messages], { atNewest, atOldest: !older.next });
    const isFound = !id || wanted?.id === id;
    $('find-hint').textContent = isFound ? '' : T.absent;
    if (isFound) { $('find').value = ''; this.find(); }
    const row = this.rows.get(wanted?.id ?? older.messages[0]?.id);
    row?.scrollIntoView({ block: 'center' });
    row?.firstElementChild.focus({ preventScroll: true });
    row?.classList.add('fresh');
    return isFound;
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
    (row?.firstElementChild ?? $('find')).focus();
    row?.scrollIntoView({ block: 'nearest' });
  }
  /** @param {Message[]} gone Takes messages away that the server no longer has. */
  forget(gone) {
    this.inPlace(() => {
      for (const { id } of gone) this.window.remove(id);
      this.drop(gone);
      this.update();
    });
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
  /**
   * Takes away what the server no longer has, by what it says of the whole topic.
   * @param {import('./types.d.ts').Topic | undefined} topic Undefined if it has no messages.
   * @param {number} arrivals How many messages had arrived when the server was asked.
   */
  reconcile(topic, arrivals) {
    const { items, atNewest, atOldest } = this.window;
    if (!items.length || arrivals !== this.arrivals || this.live.batch.length) return;
    const first = topic?.first_id ?? '~';
    this.forget(items.filter(({ id }) => id < first));
    // Loaded again once for each count: a server may count what it does not show.
    const count = topic?.count ?? 0;
    if (!atNewest || !atOldest || this.window.items.length <= count || count === this.counted) return;
    this.counted = count;
    this.open(this.topic, true);
  }
  /** @param {string} id */
  get(id) { return this.window.items.find((message) => message.id === id); }
}
