// How the server is: its readiness, and while the view is open its components, its metrics and the quotas of the viewer.
// None of it counts against a quota. A hidden page asks for nothing.
import { Chart } from './chart.js';
import { create } from './dom.js';
import { change, parseMetrics, readings } from './metrics.js';
import { $, data, lang, request } from './session.js';
import { T } from './texts.js';
import { duration } from './time.js';
/** @typedef {import('./types.d.ts').Limit} Limit */
/** @typedef {import('./types.d.ts').Readings} Readings */

const LOOK_MS = 2000;
const PROBE_MS = 10_000;
const LATE_MS = 1000; // After the stream broke, a server that is silent for so long does not respond.
const hasMetrics = data.metrics === 'true';

export class Service {
  constructor() {
    this.isShown = false;
    this.isBroken = false; // Whether the stream is.
    this.isSilent = false; // Whether the server does not respond.
    this.isProbing = false;
    this.probing = new AbortController();
    /** @type {Readings | null} */
    this.before = null;
    this.charts = [
      new Chart(T.requests), new Chart(T.latency, ['p50', 'p99']), new Chart(T.errors),
    ];
    if (hasMetrics) $('charts').append(...this.charts.map((chart) => chart.element));
    else $('charts').append(create('p', 'hint', T.noMetrics));
    setInterval(() => { this.look(); if (this.isSilent) this.probe(); }, LOOK_MS);
    setInterval(() => this.probe(), PROBE_MS);
    for (const name of ['offline', 'online']) addEventListener(name, () => this.probe(true));
    document.addEventListener('visibilitychange', () => this.probe(true));
    this.probe();
  }

  /** @param {boolean} isShown */
  reveal(isShown) {
    if (isShown && !this.isShown) this.before = null;
    if (isShown && !this.isShown) this.probe();
    this.isShown = isShown;
    this.look();
  }

  /** @param {string} state That of the stream. Whether the server responds is asked as soon as it breaks or is back. */
  linked(state) {
    const isNews = (state === 'broken') !== this.isBroken || (state === 'live' && this.isSilent);
    this.isBroken = state === 'broken';
    if (isNews) this.probe(true);
  }

  /**
   * Whether the server is ready, which is shown on every view.
   * @param {boolean} [isNews] True if a response that is on its way may be too old.
   */
  async probe(isNews = false) {
    if (document.hidden || (this.isProbing && !isNews)) return;
    this.probing.abort();
    const { signal } = this.probing = new AbortController();
    this.isProbing = true;
    const late = this.isBroken ? setTimeout(() => this.tell(T.unreachable, T.silent), LATE_MS) : 0;
    let [state, health] = ['', T.healthy];
    try {
      const both = AbortSignal.any([signal, AbortSignal.timeout(PROBE_MS)]);
      const ready = await fetch(`${data.base}/health/ready`, { cache: 'no-store', signal: both });
      const down = ready.ok ? await this.components(both) : [];
      if (!ready.ok) state = T.unready;
      else if (down.length) state = T.degraded(down.join(', '));
      if (state) health = T.limited;
    } catch { [state, health] = [navigator.onLine ? T.unreachable : T.offline, T.silent]; }
    clearTimeout(late);
    if (signal.aborted) return;
    this.isProbing = false;
    this.tell(state, health);
  }
  /** @param {string} state @param {string} health The same in a word. */
  tell(state, health) {
    this.isSilent = health === T.silent;
    $('health').textContent = health;
    $('health-dot').classList.toggle('bad', Boolean(state));
    if ($('state').textContent !== state) $('state').textContent = state;
    $('state').hidden = !state;
  }

  async look() {
    if (document.hidden || !this.isShown) return;
    this.quotas();
    if (!hasMetrics) return;
    try {
      const answer = await fetch(`${data.base}/metrics`, { cache: 'no-store' });
      if (answer.ok) this.show(readings(parseMetrics(await answer.text()), performance.now()));
    } catch { this.probe(); }
  }
  /** @param {Readings} now */
  show(now) {
    $('uptime').textContent = duration(now.uptime);
    $('streams').textContent = now.streams.toLocaleString(lang);
    if (this.before) {
      const { rate, errors, p50, p99 } = change(this.before, now);
      this.charts[0].push([rate]);
      this.charts[1].push([p50, p99]);
      this.charts[2].push([errors]);
    }
    this.before = now;
  }

  /** @param {AbortSignal} signal Shows the components, and returns the names of those that do not work. */
  async components(signal) {
    const answer = await request('/api/v1/health', { signal });
    const { checks = {} } = await answer.json().catch(() => ({}));
    $('parts').replaceChildren(...Object.entries(checks).map(([name, state]) => {
      const item = create('li');
      item.append(create('span', `dot ${state}`), `${name}: ${T.checks[state] ?? state}`);
      return item;
    }));
    return Object.keys(checks).filter((name) => checks[name] === 'error');
  }
  async quotas() {
    const answer = await request('/api/v1/limits').catch(() => null);
    if (!answer?.ok) return;
    const { enabled, exempt, client, limits } = await answer.json();
    $('limits-panel').hidden = false;
    $('limits-client').textContent = !enabled || exempt ? T.noQuota : T.quotaClient(client);
    $('limits').replaceChildren(...(enabled && !exempt ? limits : []).map((/** @type {Limit} */ limit) => this.quota(limit)));
  }
  /** @param {Limit} limit */
  quota(limit) {
    const item = create('li');
    const name = T.quotaNames[limit.name.split('-')[0]] ?? limit.routes[0];
    const bar = create('meter');
    Object.assign(bar, { min: 0, max: limit.limit, low: limit.limit / 10, value: limit.remaining });
    bar.setAttribute('aria-label', name);
    const label = create('span', 'label');
    label.append(create('span', '', name), create('b', '', T.quota(limit)));
    item.append(label, bar, create('span', 'hint', T.quotaReset(duration(limit.reset_seconds))));
    return item;
  }
}
