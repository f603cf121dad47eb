// The consumers of the open topic, with their counts, a chart and dead letters. A webhook is one too: see webhooks.js.
import { Chart } from './chart.js';
import { ask, create, createButton, createTime, keepFocus } from './dom.js';
import { excerpt } from './find.js';
import { $, json, lang, permits, problemOf, request } from './session.js';
import { T } from './texts.js';
import { niceSpan } from './line.js';
import { span } from './time.js';
/** @typedef {import('./types.d.ts').DeadLetter} DeadLetter */

const REFRESH_MS = 5000;
const PATIENCE_MS = 30_000; // How long the counts may take.
const PAGE = 50;
const REDRIVE_MAX = 200; // The most dead letters of one call.
const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;
/** The fields of the dialogs by their names in the API. @type {Record<string, string>} */
const FIELDS = { name: 'name', url: 'url', start: 'start', max_attempts: 'max', lease_seconds: 'lease' };

// ---- one consumer
export class ConsumerItem {
  // The scope that its dead letters and its deletion need, and its name for a screen reader.
  static scope = 'consumers:manage';
  static about = T.about;
  static deletion = T.deleteConsumer;
  static absence = T.noConsumer;

  /** @param {ConsumerCards} owner @param {string} name */
  constructor(owner, name) {
    const kind = /** @type {typeof ConsumerItem} */ (this.constructor);
    this.kind = kind;
    this.owner = owner;
    this.name = name;
    this.path = `${owner.path}/${name}`;
    this.dead = 0;
    this.listed = 0; // How many dead letters there were when the list was read.
    this.element = create('li', 'card');
    this.head = create('div', 'head');
    this.head.append(create('h4', '', name));
    this.counts = create('p', 'counts');
    this.chart = new Chart('', [T.waiting, T.in_flight, T.dead]);
    this.ages = new Chart(T.oldestAge, [''], { top: niceSpan, text: (seconds) => span(seconds, lang) });
    const charts = create('div', 'charts');
    charts.append(this.chart.element, this.ages.element);
    this.toggle = createButton('plain', '', () => this.expand(this.letters.hidden));
    this.letters = create('div', 'letters');
    this.letters.id = `${owner.id}-letters-${name}`;
    this.letters.hidden = true;
    this.toggle.setAttribute('aria-controls', this.letters.id);
    this.toggle.setAttribute('aria-expanded', 'false');
    this.all = createButton('plain', T.redriveAll, () => this.redriveAll(), kind.about(name));
    this.empty = create('p', 'hint', T.noLetters);
    this.list = create('ul', 'rows');
    this.list.setAttribute('aria-label', `${T.letters('')} ${kind.about(name)}`.replace(' ()', ''));
    this.more = createButton('plain', T.moreLetters, () => this.load(this.list.lastElementChild?.dataset.id));
    this.letters.append(this.all, this.empty, this.list, this.more);
    this.deleting = createButton('plain danger', T.remove, () => this.confirmDeletion(), kind.about(name));
    this.tools = create('div', 'tools');
    this.tools.append(this.toggle, this.deleting);
    this.element.append(this.head, this.counts, charts, this.tools, this.letters);
  }

  /** @param {any} consumer Shows the counts without replacing what may have the focus. */
  show(consumer) {
    this.dead = consumer.dead;
    const count = (/** @type {string} */ key) => {
      const place = create('span', consumer[key] && key !== 'waiting' && key !== 'in_flight' ? 'count error' : 'count');
      place.append(create('b', '', consumer[key].toLocaleString(lang)), ` ${T[key]}`);
      return place;
    };
    const counts = ['waiting', 'in_flight', 'dead', 'missed'].map(count);
    if (consumer.dead_dropped) counts.push(count('dead_dropped'));
    if (consumer.oldest_waiting_at) {
      const oldest = create('span', 'count');
      oldest.append(createTime(consumer.oldest_waiting_at), ` ${T.oldest}`);
      counts.push(oldest);
    }
    this.counts.replaceChildren(...counts);
    this.chart.push([consumer.waiting, consumer.in_flight, consumer.dead]);
    const since = consumer.oldest_waiting_at;
    this.ages.push([since ? Math.max(0, Date.now() - Date.parse(since)) / 1000 : 0]);
    this.toggle.textContent = T.letters(consumer.dead.toLocaleString(lang));
    const mayManage = permits(this.kind.scope, this.owner.topic);
    this.deleting.hidden = !mayManage;
    this.toggle.hidden = !mayManage || (!consumer.dead && this.letters.hidden);
    if (this.toggle.hidden) this.letters.hidden = true;
    // Not if the count changed: a letter that was redriven may have died again since the last look.
    const isStale = this.dead !== this.listed;
    if (isStale && !this.letters.hidden && !this.letters.contains(document.activeElement)) this.load();
  }

  /** @param {boolean} open */
  expand(open) {
    this.letters.hidden = !open;
    this.toggle.setAttribute('aria-expanded', String(open));
    if (open) this.load();
  }

  /** @param {string} [after] Loads the dead letters after this id, or anew from the first. */
  async load(after) {
    const { dead } = this;
    const query = `?limit=${PAGE}${after ? `&after=${after}` : ''}`;
    const answer = await this.owner.act(`${this.path}/dead${query}`);
    if (!answer?.ok) return;
    const page = await answer.json();
    const readable = page.messages.map((/** @type {DeadLetter} */ letter) => this.letter(letter));
    const damaged = (page.unreadable ?? []).map((/** @type {string} */ id) => this.damaged(id));
    const letters = [...readable, ...damaged].sort((a, b) => (a.dataset.id < b.dataset.id ? -1 : 1));
    if (after) this.list.append(...letters); else this.list.replaceChildren(...letters);
    if (!after) this.listed = dead;
    const had = document.activeElement;
    this.more.hidden = !page.next;
    this.update();
    keepFocus(had, letters[0]?.querySelector('button'), this.toggle);
  }
  update() {
    const isEmpty = !this.list.childElementCount;
    this.empty.hidden = !isEmpty;
    this.all.hidden = isEmpty;
  }

  /** @param {string} id What can be done about a letter that cannot be read. */
  damaged(id) {
    const item = create('li');
    item.dataset.id = id;
    const meta = create('div', 'meta');
    meta.append(create('span', '', id));
    const tools = create('div', 'tools');
    tools.append(createButton('plain', T.remove, () => this.confirmRemoval(item, { id, message: T.damagedLetter }), id));
    item.append(create('strong', 'error', T.damagedLetter), meta, tools);
    return item;
  }

  /** @param {DeadLetter} letter */
  letter(letter) {
    const item = create('li');
    item.dataset.id = letter.id;
    const meta = create('div', 'meta');
    const reason = create('strong', 'error', letter.reason ? T.reason(letter.reason) : T.noReason);
    const link = create('a', '', letter.id);
    link.href = `#/${letter.topic}/${letter.id}`;
    meta.append(createTime(letter.died_at), create('span', '', T.attempts(letter.attempts)), link);
    const tools = create('div', 'tools');
    tools.append(
      createButton('plain', T.redrive, () => this.redrive(item), letter.id),
      createButton('plain', T.remove, () => this.confirmRemoval(item, letter), letter.id),
    );
    const text = create('p', 'text', letter.message);
    text.dir = 'auto';
    item.append(text, reason, meta, tools);
    return item;
  }

  /** @param {object} body */
  post(body) { return this.owner.act(`${this.path}/dead/redrive`, json('POST', body)); }

  /** @param {HTMLElement} item */
  async redrive(item) {
    const answer = await this.post({ ids: [item.dataset.id] });
    if (!answer?.ok) return;
    const { redriven } = await answer.json();
    this.leave(item);
    this.owner.say(redriven ? T.redriven(redriven) : T.gone, !redriven);
    this.owner.refresh();
  }

  // In as many calls as the letters at the start need: one that dies again meanwhile is not redriven twice.
  async redriveAll() {
    let total = 0;
    for (let calls = Math.ceil(Math.max(this.dead, 1) / REDRIVE_MAX); calls > 0; calls--) {
      const answer = await this.post({});
      if (!answer?.ok) break;
      const { redriven, remaining } = await answer.json();
      total += redriven;
      this.owner.say(T.redriven(total));
      if (!remaining || !redriven) break; // What is damaged remains.
    }
    this.toggle.focus();
    await this.load();
    this.owner.refresh();
  }

  /** @param {HTMLElement} item @param {{ id: string, message: string }} letter */
  confirmRemoval(item, letter) {
    ask({
      title: T.deleteLetter, text: excerpt(letter.message, 300), ok: T.remove, bad: true,
      act: async () => {
        const answer = await this.owner.act(`${this.path}/dead/${letter.id}`, { method: 'DELETE' });
        if (!answer) return undefined;
        return () => {
          this.leave(item);
          this.owner.say(answer.ok ? T.letterRemoved : T.gone, !answer.ok);
          this.owner.refresh();
        };
      },
    });
  }
  confirmDeletion() {
    ask({
      title: this.kind.deletion(this.name), text: T.deleteNote, ok: T.remove, bad: true,
      act: async () => {
        const answer = await this.owner.act(this.path, { method: 'DELETE' });
        if (!answer) return undefined;
        await this.owner.refresh();
        return () => $(`${this.owner.id}-new`).focus();
      },
    });
  }

  /** @param {any} item Takes a letter out of the list, with the focus to the next one. */
  leave(item) {
    const next = item.nextElementSibling ?? item.previousElementSibling;
    item.remove();
    this.listed -= 1;
    this.update();
    (next?.querySelector('button') ?? this.toggle).focus();
  }
}

// ---- all consumers, or all webhooks, of the open topic
export class ConsumerCards {
  /**
   * @param {string} id That of the list, and the member of the response.
   * @param {string} scope What reading the list needs.
   * @param {typeof ConsumerItem} Item
   */
  constructor(id, scope, Item) {
    this.id = id;
    this.scope = scope;
    this.Item = Item;
    this.topic = '';
    this.wanted = ''; // The name whose card is to be brought into sight.
    /** @type {Map<string, any>} */
    this.items = new Map();
    this.refreshing = new AbortController();
    this.isRefreshing = false;
    this.trouble = ''; // Why the counts are old.
    this.failed = ''; // Why the server could not do what was asked for, until it responds again.
    this.isShown = false; // Only what is shown is looked at again.
    setInterval(() => { if (this.isShown && !document.hidden && !this.isRefreshing) this.refresh(); }, REFRESH_MS);
    $(`${id}-new`).addEventListener('click', () => this.create());
  }

  get path() { return `/api/v1/topics/${this.topic}/${this.id}`; }

  /** @param {string} text @param {boolean} [bad] */
  say(text, bad = false) {
    $(`${this.id}-status`).textContent = text;
    $(`${this.id}-status`).classList.toggle('error', bad);
  }

  /**
   * Sends an action. Its response, or null after an error, which is shown.
   * @param {string} url
   * @param {any} [options]
   */
  async act(url, options) {
    try {
      const answer = await request(url, options);
      if (answer.ok || answer.status === 404) return answer;
      const reason = T.failed((await problemOf(answer)).detail ?? answer.statusText);
      this.failed = answer.status === 429 || answer.status >= 500 ? reason : '';
      this.say(reason, true);
    } catch { this.say(this.failed = T.unreachable, true); }
    return null;
  }

  /** Reads the list. A request that is on its way may be older than an action, so another one takes its place. */
  async refresh() {
    this.refreshing.abort();
    const { signal } = this.refreshing = new AbortController();
    this.isRefreshing = true;
    const { failed } = this;
    let found = [];
    let trouble = '';
    try {
      if (permits(this.scope, this.topic)) {
        const answer = await request(this.path, { signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]) });
        if (answer.ok) found = (await answer.json())[this.id];
        else trouble = answer.status === 429 ? T.overQuota : T.failed((await problemOf(answer)).detail ?? answer.statusText);
      }
    } catch { trouble = T.unreachable; }
    if (signal.aborted) return;
    this.isRefreshing = false;
    // The last counts stay, and the reason is said once.
    if (trouble !== this.trouble) this.say(this.trouble = trouble, true);
    if (!trouble && failed && $(`${this.id}-status`).textContent === failed) this.say(this.failed = '');
    if (!trouble) this.show(found);
  }
  /** @param {any[]} found */
  show(found) {
    const had = document.activeElement;
    const shown = new Map(found.map(({ name }) => [name, this.items.get(name) ?? new this.Item(this, name)]));
    for (const [name, item] of this.items) if (!shown.has(name)) item.element.remove();
    this.items = shown;
    const list = $(this.id);
    found.forEach((consumer, index) => {
      const item = shown.get(consumer.name);
      item.show(consumer);
      const there = list.children[index];
      if (there !== item.element) list.insertBefore(item.element, there ?? null);
    });
    keepFocus(had, $(`${this.id}-new`), $(`view-${this.id}`));
    if (this.wanted && !shown.has(this.wanted)) this.say(this.Item.absence(excerpt(this.wanted, 64)), true);
    shown.get(this.wanted)?.element.scrollIntoView({ block: 'nearest' });
    this.wanted = '';
    $(`${this.id}-empty`).hidden = found.length > 0 || !permits(this.scope, this.topic);
    $(`${this.id}-count`).hidden = !found.length;
    $(`${this.id}-count`).textContent = String(found.length);
    this.warn(found.reduce((sum, { dead }) => sum + dead, 0), found.some(({ state }) => state === 'disabled'));
  }
  /** @param {number} dead @param {boolean} isDisabled Whether any is. */
  warn(dead, isDisabled) {
    const badge = $(`${this.id}-bad`);
    badge.hidden = !dead && !isDisabled;
    badge.title = dead ? T.dead : T.disabled;
    badge.replaceChildren(dead ? dead.toLocaleString(lang) : '!', create('span', 'quiet', ` ${badge.title}`));
  }

  /** @param {string} topic Shows what the topic has, as far as the token permits. */
  open(topic) {
    this.topic = topic;
    this.wanted = '';
    this.items = new Map();
    $(this.id).replaceChildren();
    $(`view-${this.id}`).hidden = !permits(this.scope, topic);
    $(`${this.id}-new`).hidden = !permits(this.Item.scope, topic);
    for (const part of ['count', 'bad', 'empty']) $(`${this.id}-${part}`).hidden = true;
    this.say(this.trouble = '');
    this.refresh();
  }
  /** @param {string} name Brings a card into sight, or says that there is none. */
  want(name) {
    this.wanted = name;
    this.refresh();
  }
  /** @param {boolean} isShown */
  reveal(isShown) {
    if (isShown && !this.isShown) this.refresh();
    this.isShown = isShown;
  }

  create() {
    ask({
      title: T.newConsumer, ok: T.createIt, fields: [
        { name: 'name', label: T.nameLabel, hint: 'mailer' }, { name: 'start', label: T.start, hint: T.startHint },
        { name: 'max', label: T.maxAttempts, hint: '5' }, { name: 'lease', label: T.lease, hint: '30' },
      ],
      act: async ({ name, start, max, lease }) => {
        const [attempts, seconds] = [max, lease].map((text) => Number(text.replace(',', '.')));
        const wrong = { ...(Number.isNaN(attempts) && { max: T.noNumber }), ...(Number.isNaN(seconds) && { lease: T.noNumber }) };
        if (Object.keys(wrong).length) return wrong;
        return this.put(name, {
          ...(start && { start }), ...(max && { max_attempts: attempts }), ...(lease && { lease_seconds: seconds }),
        });
      },
    });
  }
  /**
   * Creates one that does not exist yet, as `ask` wants it.
   * @param {string} name
   * @param {object} body
   * @param {(made: any) => void} [made]
   */
  async put(name, body, made) {
    if (!NAME.test(name)) return { name: T.noName };
    try {
      const options = json('PUT', body);
      const headers = { ...options.headers, 'If-None-Match': '*' };
      const answer = await request(`${this.path}/${name}`, { ...options, headers });
      if (answer.status === 412) return { name: T.exists };
      if (!answer.ok) {
        const { errors, detail } = await problemOf(answer);
        const isMarked = errors?.length && errors.every(({ field }) => $(`ask-${FIELDS[field]}`));
        if (isMarked) return Object.fromEntries(errors.map(({ field, message }) => [FIELDS[field], message]));
        return errors?.map((error) => `${error.field}: ${error.message}`).join(' ') ?? T.failed(detail ?? answer.statusText);
      }
      const created = await answer.json();
      this.say(T.created(name));
      await this.refresh();
      return () => { $(`${this.id}-new`).focus(); made?.(created); };
    } catch { return T.failed(T.unreachable); }
  }
}
