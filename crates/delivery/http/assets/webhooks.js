// The webhooks of the open topic: consumers with a URL, a state and their last attempts.
import { ConsumerCards, ConsumerItem } from './consumers.js';
import { ask, copy, create, createButton, createTime } from './dom.js';
import { lang } from './session.js';
import { T } from './texts.js';
/** @typedef {import('./types.d.ts').Attempt} Attempt */

const MOST_ATTEMPTS = 20;

class WebhookItem extends ConsumerItem {
  static scope = 'webhooks:manage';
  static about = T.aboutHook;
  static deletion = T.deleteWebhook;
  static absence = T.noWebhook;

  /** @param {ConsumerCards} owner @param {string} name */
  constructor(owner, name) {
    super(owner, name);
    this.url = create('code');
    this.state = create('p', 'meta');
    this.badge = create('span', 'status');
    this.head.append(this.badge);
    this.enabling = createButton('plain', T.enable, () => this.enable(), T.aboutHook(name));
    this.testing = createButton('plain', T.test, () => this.test(), T.aboutHook(name));
    this.history = createButton('plain', T.lastAttempts, () => this.showAttempts(this.attempts.hidden));
    this.attempts = create('ul', 'rows attempts');
    this.attempts.id = `${owner.id}-attempts-${name}`;
    this.attempts.hidden = true;
    this.attempts.setAttribute('aria-label', `${T.lastAttempts}: ${T.aboutHook(name)}`);
    this.history.setAttribute('aria-controls', this.attempts.id);
    this.history.setAttribute('aria-expanded', 'false');
    this.counts.before(this.url, this.state);
    this.toggle.before(this.enabling, this.testing, this.history);
    this.letters.before(this.attempts);
  }

  /** @param {any} webhook */
  show(webhook) {
    super.show(webhook);
    this.url.textContent = webhook.url;
    this.badge.textContent = T[webhook.state];
    this.badge.dataset.state = webhook.state;
    const parts = webhook.state_reason ? [create('strong', 'error', webhook.state_reason)] : [];
    for (const [text, moment] of [[T.success, webhook.last_success_at], [T.failure, webhook.last_failure_at]]) {
      if (!moment) continue;
      const part = create('span', '', `${text}: `);
      part.append(createTime(moment));
      parts.push(part);
    }
    this.state.replaceChildren(...parts);
    this.enabling.hidden = webhook.state !== 'disabled';
    if (!this.attempts.hidden) this.loadAttempts();
  }

  /** @param {boolean} open */
  showAttempts(open) {
    this.attempts.hidden = !open;
    this.history.setAttribute('aria-expanded', String(open));
    if (open) this.loadAttempts();
  }

  async loadAttempts() {
    const answer = await this.owner.act(`${this.path}/attempts`);
    if (!answer?.ok) return;
    const { attempts } = await answer.json();
    const items = attempts.slice(0, MOST_ATTEMPTS).map((/** @type {Attempt} */ attempt) => {
      const item = create('li', 'meta');
      const link = create('a', '', attempt.message_id);
      link.href = `#/${this.owner.topic}/${attempt.message_id}`;
      const failed = !(attempt.status && attempt.status >= 200 && attempt.status < 300);
      item.append(
        createTime(attempt.at), create('strong', failed ? 'error' : 'good', String(attempt.status ?? attempt.error)),
        create('span', '', T.attempt(attempt.attempt)), create('span', '', `${attempt.milliseconds.toLocaleString(lang)} ${T.ms}`),
        link,
      );
      return item;
    });
    if (this.attempts.contains(document.activeElement)) return; // A person is at one of them.
    this.attempts.replaceChildren(...(items.length ? items : [create('li', 'hint', T.noAttempts)]));
  }

  async enable() {
    const answer = await this.owner.act(`${this.path}/enable`, { method: 'POST' });
    if (!answer?.ok) return;
    this.history.focus();
    this.owner.say(T.enabled(this.name));
    this.owner.refresh();
  }
  async test() {
    const answer = await this.owner.act(`${this.path}/test`, { method: 'POST' });
    if (!answer?.ok) return;
    const result = await answer.json();
    this.owner.say(T.tested(result), !(result.status >= 200 && result.status < 300));
  }
}

export class WebhookCards extends ConsumerCards {
  constructor() { super('webhooks', 'webhooks:manage', WebhookItem); }

  create() {
    ask({
      title: T.newWebhook, ok: T.createIt, fields: [
        { name: 'name', label: T.nameLabel, hint: 'crm' }, { name: 'url', label: T.url, hint: 'https://…' },
        { name: 'start', label: T.start, hint: T.startHint },
      ],
      act: ({ name, url, start }) => this.put(name, { url, ...(start && { start }) }, ({ secret }) => {
        if (secret) this.showSecret(secret);
      }),
    });
  }
  /** @param {string} secret */
  showSecret(secret) {
    ask({ title: T.secret, text: `${T.secretNote}\n${secret}`, ok: T.secretOk, act: async () => (await copy(secret) ? undefined : T.notCopied) });
  }
}
