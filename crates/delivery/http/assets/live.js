// The live messages of a topic. One tab of the browser has the only stream, held by a lock; it passes messages on to
// tabs with the same topic, and other visible tabs ask for news. Without locks each visible tab has a stream.
import { $, claims, data, hasToken, pause, problemOf, request, tokenMark } from './session.js';
import { EventParser } from './sse.js';
import { BEGINNING } from './time.js';
/** @typedef {import('./types.d.ts').Message} Message */
/** @typedef {{messages: (m: Message[]) => void, state: (name: string, seconds?: number, text?: string) => void,
 *   note: (name: string, text?: string) => void, refused: (status: number, text?: string) => void, reload: () => void}} Listener */
/** @typedef {{ok?: boolean, wait?: number, why?: string, final?: boolean}} StreamEnd How a stream ended; `why` as a state. */

const ASK_MS = 5000;
const CLOCK_MS = 5000; // How far the clocks of server and browser may be apart.
const SILENCE_MS = 45_000; // Three comments of the server.
const CATCH_UP = 400; // With more missed messages than this the list is loaded anew.
const REPLAY_MS = 10_000; // Within this time of a reconnection what the stream sends counts as missed.
const BATCH_MS = 200; // Between two batches of messages for the listener.
const canShare = Boolean(navigator.locks && globalThis.BroadcastChannel && crypto.subtle);
const LOCK = `posthorn-stream${data.base}`;

/**
 * What a response other than 2xx means for a reader.
 * @param {Response} answer
 */
export async function refusal(answer) {
  const { detail } = await problemOf(answer);
  if (answer.status === 401 || answer.status === 403) return { final: true, status: answer.status, detail };
  const why = { 429: 'overQuota', 503: 'busy' }[answer.status];
  return { final: false, status: answer.status, wait: Number(answer.headers.get('Retry-After')) || 1, why };
}

/**
 * Counts the seconds to the next attempt down. The button "Try now" ends the wait, as the signal does.
 * @param {number} seconds
 * @param {AbortSignal} signal
 * @param {(rest: number) => void} show
 */
export async function countDown(seconds, signal, show) {
  const retry = new AbortController();
  $('link-retry').onclick = () => retry.abort();
  const woken = AbortSignal.any([signal, retry.signal]);
  for (let rest = Math.ceil(seconds); rest > 0 && !woken.aborted; rest--) {
    show(rest);
    await pause(1000, woken);
  }
  if (retry.signal.aborted && !signal.aborted) show(0);
}

export class Live {
  /** @param {Listener} listener */
  constructor(listener) {
    this.listener = listener;
    this.topic = '';
    this.last = BEGINNING;
    this.isLeader = false;
    this.heard = -Infinity; // When the leader of this topic was heard last.
    /** @type {Promise<void> | undefined} */
    this.catching = undefined; // The request for news.
    this.opening = new AbortController();
    this.turn = new AbortController();
    this.mark = '';
    /** Messages that the listener has yet to get. @type {Message[]} */
    this.batch = [];
    this.delivering = 0; // The timer of the next batch.
    this.delivered = -Infinity; // When the last batch was.
    this.opened = -Infinity; // When the list was loaded that this follows.
    if (canShare) {
      this.channel = new BroadcastChannel(LOCK);
      this.channel.onmessage = ({ data: said }) => this.hear(said);
    }
    document.addEventListener('visibilitychange', () => this.look());
    addEventListener('offline', () => { this.turn.abort(); this.listener.state('offline'); });
    addEventListener('online', () => this.turn.abort());
  }

  /**
   * Follows a topic after the message `last`, until `close` or the next `open`.
   * @param {string} topic
   * @param {string | undefined} last
   */
  open(topic, last) {
    this.close();
    const { signal } = this.opening = new AbortController();
    Object.assign(this, { topic, last: last ?? BEGINNING, heard: -Infinity, opened: performance.now() });
    this.run(signal).catch((error) => { if (!signal.aborted) throw error; });
  }
  close() {
    this.opening.abort();
    this.turn.abort();
    this.catching = undefined;
    // The list is loaded anew with what is not delivered yet.
    clearTimeout(this.delivering);
    this.delivering = 0;
    this.batch = [];
  }

  look() {
    if (!document.hidden) { this.channel?.postMessage({ want: this.topic }); return; }
    // A hidden leader keeps the stream until a visible tab wants it; a hidden tab waits for none.
    if (!this.isLeader || !canShare) this.turn.abort();
  }

  /** @param {any} said */
  hear(said) {
    if (said.want !== undefined) {
      // A hidden tab gives way to a visible one.
      if (this.isLeader && document.hidden) this.turn.abort();
      else if (this.isLeader) this.say({});
      return;
    }
    if (this.isLeader || this.opening.signal.aborted) return;
    // There is one leader: one of another topic means that this one has none.
    this.heard = said.key === this.key ? performance.now() : -Infinity;
    if (said.key !== this.key) return;
    if (said.message && said.previous === this.last) this.take(said.message);
    else if (said.last > this.last && !document.hidden) this.catchUp(this.opening.signal).catch(() => {});
    if (!document.hidden) this.listener.state('live');
  }
  get key() { return `${this.mark} ${this.topic}`; }
  /** @param {object} what */
  say(what) { this.channel?.postMessage({ key: this.key, last: this.last, ...what }); }

  /**
   * Collects a message. The listener gets batches, as the layout of the page takes about as long for one message as for
   * many. A timer ends a batch: a hidden tab has no frames.
   * @param {Message} message
   */
  take(message) {
    this.last = message.id;
    this.batch.push(message);
    this.delivering ||= setTimeout(() => {
      const { batch } = this;
      this.batch = [];
      this.delivering = 0;
      this.listener.messages(batch);
      this.delivered = performance.now();
    }, performance.now() - this.delivered < BATCH_MS ? BATCH_MS : 0);
  }

  /** @param {AbortSignal} signal */
  async run(signal) {
    if (canShare) this.mark = await tokenMark();
    let tries = 0;
    this.listener.state('connecting');
    while (!signal.aborted) {
      await visible(signal);
      if (signal.aborted) return;
      this.turn = new AbortController();
      const both = AbortSignal.any([signal, this.turn.signal]);
      /** @type {StreamEnd} */
      let end = {};
      try {
        end = canShare ? await this.queue(both) : await this.stream(both);
      } catch (error) {
        if (signal.aborted) return;
      }
      if (end.final || signal.aborted) return;
      if (end.ok) tries = 0;
      if (this.turn.signal.aborted && navigator.onLine) continue;
      const seconds = end.wait ?? Math.min(30, 2 ** tries) * (0.75 + Math.random() / 2);
      tries += 1;
      this.turn = new AbortController(); // Ends the wait, as when the network is back.
      await countDown(seconds, AbortSignal.any([signal, this.turn.signal]), (rest) => {
        this.listener.state(navigator.onLine ? end.why ?? 'broken' : 'offline', rest);
      });
    }
  }

  /**
   * Waits for the lock, asking for news meanwhile, and streams while it has it.
   * @param {AbortSignal} signal
   */
  async queue(signal) {
    const waiting = new AbortController();
    this.channel?.postMessage({ want: this.topic });
    const asking = this.askForNews(AbortSignal.any([signal, waiting.signal]));
    try {
      return await navigator.locks.request(LOCK, { signal }, async () => {
        waiting.abort();
        await asking;
        this.isLeader = true;
        try { return await this.stream(signal); } finally { this.isLeader = false; }
      });
    } finally { waiting.abort(); }
  }

  /** @param {AbortSignal} signal */
  async askForNews(signal) {
    await pause(300, signal); // The lock is mostly free.
    while (!signal.aborted) {
      if (!document.hidden && performance.now() - this.heard > SILENCE_MS) {
        try {
          await this.catchUp(signal);
          this.listener.state('live');
        } catch (error) {
          if (signal.aborted) return;
          const { final, status, detail, wait = 0, why = 'connecting' } = /** @type {any} */ (error);
          if (final) {
            this.listener.refused(status, hasToken() ? detail : undefined);
            this.close();
            return;
          }
          this.listener.state(navigator.onLine ? why : 'offline', wait);
          await pause(wait * 1000, signal);
        }
      }
      await pause(ASK_MS, signal);
    }
  }

  /**
   * Reads what came after the last message, once at a time.
   * @param {AbortSignal} signal
   */
  catchUp(signal) {
    if (!this.catching) {
      const reading = this.readNews(signal).finally(() => { if (this.catching === reading) this.catching = undefined; });
      this.catching = reading;
    }
    return this.catching;
  }
  /** @param {AbortSignal} signal */
  async readNews(signal) {
    for (let count = 0; count < CATCH_UP;) {
      const after = this.last;
      const answer = await request(`/api/v1/topics/${this.topic}/messages?limit=200&after=${after}`, { signal });
      if (!answer.ok) throw await refusal(answer);
      const page = await answer.json();
      if (page.truncated && after !== BEGINNING && after === this.last) this.listener.note('gap');
      // Some of them may have come from the leader meanwhile.
      for (const message of page.messages) if (message.id > this.last) this.take(message);
      if (!page.next || !page.messages.length) return;
      count += page.messages.length;
    }
    this.listener.reload();
  }

  /**
   * Reads the stream to its end.
   * @param {AbortSignal} signal
   * @returns {Promise<StreamEnd>}
   */
  async stream(signal) {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), SILENCE_MS);
    let [isOk, isBusy] = [false, false];
    // A stream soon after the list was loaded replays little; a later one what was missed since the last one.
    const began = performance.now();
    const replayEnd = began - this.opened > REPLAY_MS ? began + REPLAY_MS : 0;
    let replayed = 0;
    const parser = new EventParser();
    try {
      const answer = await request(`/api/v1/topics/${this.topic}/stream`, {
        signal: AbortSignal.any([signal, silence.signal]),
        headers: { Accept: 'text/event-stream', 'Last-Event-ID': this.last },
      });
      if (!answer.ok || !answer.body) {
        const { final, wait, status, detail, why } = await refusal(answer);
        if (final && !signal.aborted) this.listener.refused(status, hasToken() ? detail : undefined);
        return { final, wait, why };
      }
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE_MS);
        for (const event of parser.push(value)) {
          if (event.event === 'busy') isBusy = true;
          else this.handle(event);
          if (event.event === 'message' && performance.now() < replayEnd) replayed += 1;
        }
        if (replayed > CATCH_UP) {
          this.listener.reload();
          return { ok: true };
        }
        if (!isOk && !isBusy) { isOk = true; this.listener.state('live'); }
        if (!isBusy) this.say({});
      }
    } catch (error) {
      // The connection broke, or nothing came for too long.
      if (!(error instanceof TypeError) && /** @type {Error} */ (error).name !== 'AbortError') console.error(error);
    } finally { clearTimeout(timer); }
    return isBusy ? { wait: Math.max(1, parser.retry / 1000), why: 'busy' } : { ok: isOk };
  }

  /** @param {import('./types.d.ts').StreamEvent} event */
  handle(event) {
    const previous = this.last;
    if (event.event === 'message') {
      const message = JSON.parse(event.data);
      if (message.id > previous) {
        this.take(message);
        this.say({ message, previous });
      }
    } else if (event.event === 'gap') {
      if (previous !== BEGINNING) this.listener.note('gap');
    } else if (event.event === 'bye') this.leave();
    else if (event.event === 'unreadable') this.listener.note('unreadable', event.id);
    if (event.id && event.id > this.last) this.last = event.id;
  }
  /** The server ended the stream. */
  leave() {
    // After the end of a token the next request is rejected, and a dialog asks for another one.
    const isExpired = hasToken() && claims().exp * 1000 <= Date.now() + CLOCK_MS;
    if (!isExpired && !$('token-dialog').open) this.listener.note('bye');
  }
}

/** @param {AbortSignal} signal @returns {Promise<void>} */
function visible(signal) {
  if (!document.hidden) return Promise.resolve();
  return new Promise((done) => {
    const check = () => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener('visibilitychange', check);
      done();
    };
    document.addEventListener('visibilitychange', check);
    signal.addEventListener('abort', check, { once: true });
  });
}
