// The consumers of the open topic, with their counts and dead letters. A webhook is one too: see webhooks.js.
import { $, create, createButton, createTime, lang, permits, problemOf, request } from './session.js';

const REFRESH_MS = 5000;
const PAGE = 50;
const REDRIVE_MAX = 200; // The most dead letters of one call.
const TEXTS = {
  ru: {
    waiting: 'ожидают', in_flight: 'в работе', dead: 'не доставлены', missed: 'пропущены', dead_dropped: 'вытеснены',
    oldest: 'самое старое', letters: (n) => `Недоставленные (${n})`, redrive: 'Повторить', redriveAll: 'Повторить все',
    remove: 'Удалить', more: 'Ещё', attempts: (n) => `попыток: ${n}`, reason: (t) => `причина: ${t}`, none: 'без причины',
    redriven: (n) => `Возвращено в очередь: ${n}.`, removed: 'Недоставленное сообщение удалено.',
    gone: 'Этого сообщения уже нет среди недоставленных.', failed: (t) => `Ошибка: ${t}`, unreachable: 'Сервер не отвечает.',
    about: (name) => `потребитель ${name}`, empty: 'Недоставленных сообщений нет.',
  },
  en: {
    waiting: 'waiting', in_flight: 'in flight', dead: 'dead', missed: 'missed', dead_dropped: 'dropped',
    oldest: 'oldest', letters: (n) => `Dead letters (${n})`, redrive: 'Redrive', redriveAll: 'Redrive all',
    remove: 'Delete', more: 'More', attempts: (n) => `attempts: ${n}`, reason: (t) => `reason: ${t}`, none: 'no reason',
    redriven: (n) => `Waiting again: ${n}.`, removed: 'The dead letter was deleted.',
    gone: 'The message is no dead letter any more.', failed: (t) => `Failed: ${t}`, unreachable: 'The server does not respond.',
    about: (name) => `consumer ${name}`, empty: 'No dead letters.',
  },
};
const T = TEXTS[lang] ?? TEXTS.en;

// ---- one consumer
export class ConsumerItem {
  // The scope that its dead letters need, and its name for a screen reader.
  static scope = 'consumers:manage';
  static about = T.about;

  constructor(owner, name) {
    this.owner = owner;
    this.path = `${owner.path}/${name}`;
    this.element = create('li');
    this.counts = create('p', 'meta');
    this.toggle = createButton('plain', '', () => this.expand(this.letters.hidden));
    this.letters = create('div', 'letters');
    this.letters.id = `${owner.id}-letters-${name}`;
    this.letters.hidden = true;
    this.toggle.setAttribute('aria-controls', this.letters.id);
    this.toggle.setAttribute('aria-expanded', 'false');
    this.all = createButton('plain', T.redriveAll, () => this.redriveAll());
    this.empty = create('p', 'hint', T.empty);
    this.list = create('ul', 'messages');
    this.list.setAttribute('aria-label', `${T.letters('')} ${this.constructor.about(name)}`.replace(' ()', ''));
    this.more = createButton('plain', T.more, () => this.load(this.list.lastElementChild?.dataset.id));
    this.letters.append(this.all, this.empty, this.list, this.more);
    this.element.append(create('h3', '', name), this.counts, this.toggle, this.letters);
  }

  // Shows the counts without replacing what may have the focus.
  show(consumer) {
    this.dead = consumer.dead;
    const count = (key) => create('span', '', `${T[key]}: ${consumer[key].toLocaleString(lang)}`);
    const counts = ['waiting', 'in_flight', 'dead', 'missed'].map(count);
    counts[3].classList.toggle('error', consumer.missed > 0);
    if (consumer.dead_dropped) counts.push(count('dead_dropped'));
    if (consumer.oldest_waiting_at) {
      const oldest = create('span', '', `${T.oldest}: `);
      oldest.append(createTime(consumer.oldest_waiting_at));
      counts.push(oldest);
    }
    this.counts.replaceChildren(...counts);
    this.toggle.textContent = T.letters(consumer.dead.toLocaleString(lang));
    this.toggle.hidden = !permits(this.constructor.scope) || (!consumer.dead && this.letters.hidden);
    if (this.toggle.hidden) this.letters.hidden = true;
    // Not if the count changed: a letter that was redriven may have died again since the last look.
    const isStale = this.dead !== this.listed;
    if (isStale && !this.letters.hidden && !this.letters.contains(document.activeElement)) this.load();
  }

  expand(open) {
    this.letters.hidden = !open;
    this.toggle.setAttribute('aria-expanded', String(open));
    if (open) this.load();
  }

  // Loads the dead letters after `after`, or anew from the first.
  async load(after) {
    const { dead } = this;
    const query = `?limit=${PAGE}${after ? `&after=${after}` : ''}`;
    const answer = await this.owner.act(`${this.path}/dead${query}`);
    if (!answer?.ok) return;
    const page = await answer.json();
    const letters = page.messages.map((letter) => this.letter(letter));
    if (after) this.list.append(...letters); else this.list.replaceChildren(...letters);
    if (!after) this.listed = dead; // How many there were when the list was read.
    this.more.hidden = !page.next;
    this.update();
  }

  update() {
    const isEmpty = !this.list.childElementCount;
    this.empty.hidden = !isEmpty;
    this.all.hidden = isEmpty;
  }

  letter(letter) {
    const item = create('li');
    item.dataset.id = letter.id;
    const meta = create('div', 'meta');
    const reason = letter.reason ? T.reason(letter.reason) : T.none;
    meta.append(
      createTime(letter.died_at), create('code', '', letter.id),
      create('span', '', T.attempts(letter.attempts)), create('strong', '', reason),
    );
    const about = (button) => { button.setAttribute('aria-label', `${button.textContent}: ${letter.id}`); return button; };
    meta.append(
      about(createButton('plain', T.redrive, () => this.redrive(item))),
      about(createButton('plain', T.remove, () => confirmRemoval(this, item, letter))),
    );
    item.append(create('p', 'text', letter.message), meta);
    return item;
  }

  post(body) {
    return this.owner.act(`${this.path}/dead/redrive`, {
      method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' },
    });
  }

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
      if (!remaining) break;
    }
    this.toggle.focus();
    await this.load();
    this.owner.refresh();
  }

  async remove(item) {
    const answer = await this.owner.act(`${this.path}/dead/${item.dataset.id}`, { method: 'DELETE' });
    if (!answer) return;
    this.leave(item);
    this.owner.say(answer.ok ? T.removed : T.gone, !answer.ok);
    this.owner.refresh();
  }

  // Takes a letter out of the list, with the focus to the next one.
  leave(item) {
    const next = item.nextElementSibling ?? item.previousElementSibling;
    item.remove();
    this.listed -= 1;
    this.update();
    (next?.querySelector('button') ?? this.toggle).focus();
  }
}

// ---- a card with all consumers, or all webhooks, of the open topic
export class ConsumerCard {
  // `id` is that of the list, and the member of the response; `scope` is what reading the list needs.
  constructor(id, scope, Item) {
    Object.assign(this, { id, scope, Item, topic: '', items: new Map(), refreshing: new AbortController() });
    setInterval(() => { if (this.topic && !document.hidden) this.refresh(); }, REFRESH_MS);
  }

  get path() { return `/api/v1/topics/${this.topic}/${this.id}`; }

  say(text, bad = false) {
    $(`${this.id}-status`).textContent = text;
    $(`${this.id}-status`).classList.toggle('error', bad);
  }

  // Sends an action. Its response, or null after an error, which is shown.
  async act(url, options) {
    try {
      const answer = await request(url, options);
      if (answer.ok || answer.status === 404) return answer;
      this.say(T.failed((await problemOf(answer)).detail ?? answer.statusText), true);
    } catch { this.say(T.unreachable, true); }
    return null;
  }

  async refresh() {
    this.refreshing.abort();
    const { signal } = this.refreshing = new AbortController();
    let found = [];
    try {
      if (permits(this.scope)) {
        const answer = await request(this.path, { signal });
        // Over the quota, or a server that fails: the last counts stay.
        if (answer.status === 429 || answer.status >= 500) return;
        if (answer.ok) found = (await answer.json())[this.id];
      }
    } catch { return; }
    if (signal.aborted) return;
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
    $(`${this.id}-card`).hidden = !found.length;
  }

  // Shows what the topic has, as far as the token permits.
  open(topic) {
    this.topic = topic;
    $(`${this.id}-topic`).textContent = topic;
    this.items = new Map();
    $(this.id).replaceChildren();
    $(`${this.id}-card`).hidden = true;
    this.say('');
    this.refresh();
  }
}

// ---- the deletion of a dead letter
let doomed = null;
function confirmRemoval(consumer, item, letter) {
  doomed = { consumer, item };
  $('letter-text').textContent = letter.message.slice(0, 300);
  $('letter-dialog').showModal();
}
$('letter-cancel').addEventListener('click', () => $('letter-dialog').close());
$('letter-form').addEventListener('submit', () => doomed.consumer.remove(doomed.item));
