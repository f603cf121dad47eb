// The part of a topic that is loaded: a run of messages without holes, the newest first, bounded in length.
/** @typedef {import('./types.d.ts').Message} Message */

export const MOST_LOADED = 300;
/** The bound while a filter shows few of them. */
export const MOST_FILTERED = 3000;

/** Messages between two places of a topic. What is added at one end beyond the bound is dropped at the other. */
export class MessageWindow {
  /** @type {Message[]} */
  items = [];
  most = MOST_LOADED;
  /** True if it ends with the newest message, so that new ones belong to it. */
  atNewest = true;
  /** True if it begins with the oldest message. */
  atOldest = true;

  get newest() { return this.items[0]; }
  get oldest() { return this.items[this.items.length - 1]; }

  /**
   * @param {Message[]} items The newest first.
   * @param {{atNewest: boolean, atOldest: boolean}} ends
   */
  reset(items, { atNewest, atOldest }) {
    this.items = items;
    this.atNewest = atNewest;
    this.atOldest = atOldest;
  }

  /** @param {string} id */
  has(id) { return this.items.some((message) => message.id === id); }

  /**
   * Adds messages after the newest one, themselves the newest first. Gives those that are dropped.
   * @param {Message[]} messages
   */
  addNewer(messages) {
    const after = this.newest?.id ?? '';
    this.items.unshift(...messages.filter(({ id }) => id > after));
    const dropped = this.items.splice(this.most);
    if (dropped.length) this.atOldest = false;
    return dropped;
  }

  /**
   * Adds messages before the oldest one, the newest first. Gives those that are dropped.
   * @param {Message[]} messages
   */
  addOlder(messages) {
    const before = this.oldest?.id ?? '~';
    this.items.push(...messages.filter(({ id }) => id < before));
    const dropped = this.items.splice(0, Math.max(0, this.items.length - this.most));
    if (dropped.length) this.atNewest = false;
    return dropped;
  }

  /** @param {string} id */
  remove(id) { this.items = this.items.filter((message) => message.id !== id); }

  /**
   * The message this many places further down, or up with a negative number.
   * @param {string | undefined} id
   * @param {number} step
   * @param {(message: Message) => boolean} isShown
   */
  neighbour(id, step, isShown) {
    const shown = this.items.filter(isShown);
    const at = shown.findIndex((message) => message.id === id);
    if (at < 0) return shown[0];
    return shown[Math.min(shown.length - 1, Math.max(0, at + step))];
  }
}
