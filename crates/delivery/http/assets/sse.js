// Server-Sent Events, parsed as they arrive (WHATWG HTML, 9.2.6).

/** Turns the text of a stream, in pieces of any size, into events. */
export class EventParser {
  #rest = '';
  /** @type {string[]} */
  #data = [];
  #event = '';
  /** @type {string | undefined} */
  #id;
  /** How long the server wants clients to wait before they reconnect, in milliseconds. */
  retry = 0;

  /**
   * @param {string} piece
   * @returns {import('./types.d.ts').StreamEvent[]}
   */
  push(piece) {
    const lines = (this.#rest + piece).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    const events = [];
    for (const line of lines) {
      if (line) this.#field(line);
      else {
        // An id without data is a position only.
        const event = this.#data.length ? this.#event || 'message' : 'position';
        if (this.#data.length || this.#id) events.push({ id: this.#id, event, data: this.#data.join('\n') });
        this.#data = [];
        this.#event = '';
        this.#id = undefined;
      }
    }
    return events;
  }

  /** @param {string} line */
  #field(line) {
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'data') this.#data.push(value);
    else if (name === 'event') this.#event = value;
    else if (name === 'id') this.#id = value;
    else if (name === 'retry' && /^\d+$/.test(value)) this.retry = Number(value);
  }
}
