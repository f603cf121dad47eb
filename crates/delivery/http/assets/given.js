// What the list need not ask for when the page is opened: the messages that came with the page, and the response that
// first.js has asked for.
import { $ } from './session.js';
/** @typedef {import('./types.d.ts').Page} Page */

/**
 * The newest messages of a topic, if the page came with them. Once: later they are old.
 * @param {string} topic
 * @returns {Pick<Page, 'messages' | 'next'> | null}
 */
export function givenPage(topic) {
  const list = $('messages');
  const { topic: of, more } = list.dataset;
  delete list.dataset.topic;
  document.documentElement.classList.remove('elsewhere');
  if (of !== topic) return null;
  const messages = [...list.children].map((item) => ({
    id: item.id, topic,
    message: item.querySelector('.text').textContent,
    attributes: Object.fromEntries([...item.querySelectorAll('.chip')].map((chip) => [...chip.children].map((part) => part.textContent))),
    processed_at: item.querySelector('time').dateTime,
    ...(item.dataset.traceparent && { traceparent: item.dataset.traceparent }),
  }));
  return { messages, next: more === 'true' ? 'older' : null };
}

/**
 * The response to a request that first.js has sent. Once.
 * @param {string} path
 * @returns {Promise<Response> | undefined}
 */
export function givenAnswer(path) {
  const { given } = /** @type {any} */ (globalThis);
  if (given) Object.assign(globalThis, { given: undefined });
  return given?.path === path ? given.answer : undefined;
}
