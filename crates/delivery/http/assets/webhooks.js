// The webhooks of the open topic: consumers with a URL, a state and their last attempts.
import { ConsumerItem } from './consumers.js';
import { create, createButton, createTime, lang } from './session.js';

const MOST_ATTEMPTS = 20;
const TEXTS = {
  ru: {
    active: 'работает', failing: 'последняя попытка не удалась', disabled: 'отключён', success: 'последний успех',
    failure: 'последняя неудача', attempts: 'Последние попытки', none: 'Попыток ещё не было.', enable: 'Включить',
    enabled: (name) => `Вебхук ${name} включён.`, attempt: (n) => `попытка ${n}`, ms: (n) => `${n} мс`,
    about: (name) => `вебхук ${name}`,
  },
  en: {
    active: 'active', failing: 'the last attempt failed', disabled: 'disabled', success: 'last success',
    failure: 'last failure', attempts: 'Last attempts', none: 'No attempts yet.', enable: 'Enable',
    enabled: (name) => `The webhook ${name} is enabled.`, attempt: (n) => `attempt ${n}`, ms: (n) => `${n} ms`,
    about: (name) => `webhook ${name}`,
  },
};
const T = TEXTS[lang] ?? TEXTS.en;

export class WebhookItem extends ConsumerItem {
  static scope = 'webhooks:manage';
  static about = T.about;

  constructor(owner, name) {
    super(owner, name);
    this.name = name;
    this.url = create('code');
    this.state = create('p', 'meta');
    this.enabling = createButton('plain', T.enable, () => this.enable());
    this.enabling.setAttribute('aria-label', `${T.enable}: ${T.about(name)}`);
    this.history = createButton('plain', T.attempts, () => this.showAttempts(this.attempts.hidden));
    this.attempts = create('ul', 'messages');
    this.attempts.id = `${owner.id}-attempts-${name}`;
    this.attempts.hidden = true;
    this.attempts.setAttribute('aria-label', `${T.attempts}: ${T.about(name)}`);
    this.history.setAttribute('aria-controls', this.attempts.id);
    this.history.setAttribute('aria-expanded', 'false');
    this.counts.before(this.url, this.state);
    this.toggle.before(this.enabling, this.history, this.attempts);
  }

  show(webhook) {
    super.show(webhook);
    this.url.textContent = webhook.url;
    const reason = webhook.state_reason ? `: ${webhook.state_reason}` : '';
    const parts = [create('strong', webhook.state === 'active' ? '' : 'error', T[webhook.state] + reason)];
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

  showAttempts(open) {
    this.attempts.hidden = !open;
    this.history.setAttribute('aria-expanded', String(open));
    if (open) this.loadAttempts();
  }

  async loadAttempts() {
    const answer = await this.owner.act(`${this.path}/attempts`);
    if (!answer?.ok) return;
    const { attempts } = await answer.json();
    const items = attempts.slice(0, MOST_ATTEMPTS).map((attempt) => {
      const item = create('li', 'meta');
      const failed = !(attempt.status >= 200 && attempt.status < 300);
      item.append(
        createTime(attempt.at), create('strong', failed ? 'error' : '', String(attempt.status ?? attempt.error)),
        create('span', '', T.attempt(attempt.attempt)), create('span', '', T.ms(attempt.milliseconds.toLocaleString(lang))),
        create('code', '', attempt.message_id),
      );
      return item;
    });
    this.attempts.replaceChildren(...(items.length ? items : [create('li', 'hint', T.none)]));
  }

  async enable() {
    const answer = await this.owner.act(`${this.path}/enable`, { method: 'POST' });
    if (!answer?.ok) return;
    this.history.focus();
    this.owner.say(T.enabled(this.name));
    this.owner.refresh();
  }
}
