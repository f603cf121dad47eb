// The inbox page: which topic, view and message is open. The fragment of the URL says it, so that Back works.
import { Composer } from './compose.js';
import { ConsumerCards, ConsumerItem } from './consumers.js';
import { Detail } from './detail.js';
import { copy, fullTime, keepFocus, toast } from './dom.js';
import { listenForKeys } from './keys.js';
import { MessageList } from './list.js';
import { Service } from './service.js';
import { $, claims, data, hasToken, permits, setToken } from './session.js';
import { T } from './texts.js';
import { isUlid } from './time.js';
import { isTopicName, TopicList } from './topics.js';
import { WebhookCards } from './webhooks.js';

const VIEWS = ['messages', 'consumers', 'webhooks', 'service'];
/** What is open. */
const at = { topic: '', view: '', id: '' };
let missed = 0; // How many messages arrived while the page was hidden.

// ---- the parts
const topics = new TopicList({
  begins: () => list.arrivals,
  listed(topic, begun) {
    list.reconcile(topic, begun);
    const count = topic?.count ?? 0;
    if (at.id && count < listed) detail.states.look(); // Perhaps the shown one was deleted.
    listed = count;
  },
});
let listed = 0; // How many messages the open topic had last.
const detail = new Detail({
  close: closeDetail,
  filter(text) { $('find').value = text; list.find(); if (isNarrow()) closeDetail(); else $('find').focus(); },
  removed(id) {
    const next = list.remove(id);
    topics.refreshSoon();
    if (next && !isNarrow()) go(next.topic, next.id); else leaveAbsent();
    list.focus(next?.id);
  },
  gone(id) {
    const had = document.activeElement;
    const next = list.remove(id);
    topics.refreshSoon();
    if (at.id === id) leaveAbsent();
    keepFocus(had, document.getElementById(next?.id ?? '')?.firstElementChild, $('find'), $('main'));
  },
});
const list = new MessageList({
  arrived(count) {
    if (document.hidden) { missed += count; showTitle(); } else topics.refreshSoon();
  },
  refused: askForToken,
  loaded() { topics.refresh(); },
  linked(state) { service.linked(state); },
});
const composer = new Composer({
  sent(receipt) {
    detail.durability.set(receipt.id, receipt.durability);
    topics.refreshSoon();
  },
  refused: askForToken,
});
const cards = [new ConsumerCards('consumers', 'messages:consume', ConsumerItem), new WebhookCards()];
const service = new Service();

// ---- where the page is
const isNarrow = () => matchMedia('(max-width: 63.99rem), (max-height: 29.99rem)').matches;
/** @param {string} topic @param {string} [rest] A view, or the id of a message. */
function go(topic, rest = '') {
  const hash = `#/${topic}${rest && `/${rest}`}`;
  if (location.hash === hash) return;
  // Steps from message to message are one entry of the history.
  if (at.id && isUlid(rest)) history.replaceState(null, '', hash); else history.pushState(null, '', hash);
  route();
}
function closeDetail() {
  const { id } = at;
  go(at.topic);
  list.focus(id);
}
/** Leaves a message that is not there, so that Back does not return to it. */
function leaveAbsent() {
  history.replaceState(null, '', `#/${at.topic}`);
  route();
}
function route() {
  const [, name = '', rest = ''] = /^#\/([^/]*)\/?(.*)$/.exec(location.hash) ?? [];
  const isService = name === '~service';
  if (name && !isService && !isTopicName(name)) {
    toast(T.noTopic, true);
    history.replaceState(null, '', `#/${at.topic || 'inbox'}`);
    return route();
  }
  if (rest && !isService && !isUlid(rest) && !VIEWS.includes(rest)) {
    // A card of a view has no URL of its own.
    const [, kind, wanted] = /^(consumers|webhooks)\/(.*)$/.exec(rest) ?? [];
    history.replaceState(null, '', `#/${name}${kind ? `/${kind}` : ''}`);
    route();
    if (!kind) toast(T.noMessage, true);
    else if (at.view === kind) cards.find(({ id }) => id === kind)?.want(wanted);
    return;
  }
  const topic = isService ? at.topic || 'inbox' : name || at.topic || 'inbox';
  // Without the right to read it the message is not asked for, and the URL keeps it until there is one.
  const id = isUlid(rest) && permits('messages:read', topic) ? rest.toUpperCase() : '';
  const had = document.activeElement;
  if (topic !== at.topic) openTopic(topic);
  const wanted = isService ? 'service' : VIEWS.includes(rest) ? rest : 'messages';
  const view = isOffered(wanted) ? wanted : 'messages';
  const isAnother = view !== at.view;
  if (isAnother) openView(view);
  showDrawer(false);
  if (id !== at.id) openMessage(topic, id, isAnother && Boolean(had?.closest('main')));
  const link = $(view === 'service' ? 'service-open' : `view-${view}`);
  if (isAnother && had === document.activeElement && had?.matches('.views a, #service-open')) link.focus({ preventScroll: true });
  keepFocus(had, link, $('main'));
}
/** @param {string} view Whether the token permits it. */
const isOffered = (view) => !$(`view-${view}`)?.hidden;
/** @param {string} topic */
function openTopic(topic) {
  at.topic = topic;
  showHead();
  $('view-messages').href = `#/${topic}`;
  for (const view of ['consumers', 'webhooks']) $(`view-${view}`).href = `#/${topic}/${view}`;
  $('empty-curl').textContent = `curl -d 'hello' ${location.origin}${data.base}/api/v1/topics/${topic}/messages`;
  $('find').value = '';
  list.find();
  topics.choose(topic, at.view !== 'service');
  list.open(topic);
  for (const card of cards) card.open(topic);
  for (const id of ['compose-open', 'compose-bar']) $(id).hidden = !permits('messages:write', topic);
}
/** @param {string} view */
function openView(view) {
  at.view = document.body.dataset.view = view;
  showHead();
  for (const name of VIEWS) {
    $(`${name}-view`).hidden = name !== view;
    const link = $(name === 'service' ? 'service-open' : `view-${name}`);
    if (name === view) link.setAttribute('aria-current', 'page'); else link.removeAttribute('aria-current');
  }
  topics.choose(at.topic, view !== 'service');
  for (const card of cards) card.reveal(card.id === view);
  service.reveal(view === 'service');
}
function showHead() {
  const isService = at.view === 'service';
  $('topic-name').textContent = isService ? T.service : at.topic;
  $('link').hidden = isService;
  showTitle();
}
let reading = 0; // Where a small screen's list was when a message was opened.
/** @param {string} topic @param {string} id @param {boolean} [takesFocus] Because what had it is hidden. */
function openMessage(topic, id, takesFocus = false) {
  if (id && !at.id) reading = scrollY;
  at.id = id;
  document.body.classList.toggle('reading', Boolean(id));
  list.choose(id);
  if (!id) {
    detail.hide();
    if (isNarrow()) scrollTo(0, reading);
    return;
  }
  detail.open(topic, id, list.get(id)).then(() => {
    if (at.id !== id || !(isNarrow() || takesFocus)) return;
    if (isNarrow()) scrollTo(0, 0);
    $('detail-h')?.focus();
  });
}
function showTitle() {
  const view = { consumers: T.consumers, webhooks: T.webhooks }[at.view];
  const shown = at.view === 'service' ? T.service : [at.topic, view].filter(Boolean).join(': ');
  document.title = `${missed ? `(${missed}) ` : ''}${shown} · ${data.name}`;
}

// ---- tokens
/** @param {string} [reason] */
function askForToken(reason) {
  $('token-reason').textContent = reason ?? T.refused;
  $('toast').hidden = true; // The dialog says what to do.
  $('token-forget').hidden = !hasToken();
  if (!$('token-dialog').open) $('token-dialog').showModal();
}
function tokenChanged() {
  $('token').value = '';
  $('token-state').textContent = hasToken() ? claims().sub ?? '' : T.none;
  $('token-open').hidden = data.open === 'true' && !hasToken();
}
/** Shows the first topic of the token if the URL names none and the token does not permit the inbox. */
async function toPermitted() {
  await topics.refresh();
  const [first] = topics.topics;
  if (first && location.hash.length < 2 && !permits('messages:read', at.topic)) go(first.topic);
}
/** @param {string} token */
function changeToken(token) {
  setToken(token);
  tokenChanged();
  topics.reset();
  openMessage(at.topic, '');
  at.topic = at.view = '';
  route();
  toPermitted();
}
$('token-form').addEventListener('submit', () => changeToken($('token').value));
$('token-dialog').addEventListener('close', () => keepFocus($('token'), $(`view-${at.view}`), $('main')));
$('token-cancel').addEventListener('click', () => $('token-dialog').close());
for (const id of ['token-open', 'refused-token']) $(id).addEventListener('click', () => askForToken(''));
$('token-forget').addEventListener('click', () => { $('token-dialog').close(); changeToken(''); });

// ---- the frame
/** @param {boolean} open */
function showDrawer(open) {
  if (open === document.body.classList.contains('drawer')) return;
  const hadFocus = $('rail').contains(document.activeElement);
  document.body.classList.toggle('drawer', open);
  $('drawer-open').setAttribute('aria-expanded', String(open));
  // The landmark and the heading of the page stay.
  for (const part of $('main').children) part.inert = open && !part.matches('h1');
  if (open) $('drawer-close').focus();
  else if (hadFocus) $('drawer-open').focus();
}
$('drawer-open').addEventListener('click', () => showDrawer(true));
$('drawer-close').addEventListener('click', () => showDrawer(false));
document.addEventListener('click', (event) => {
  if (event.target instanceof Element && !event.target.closest('#rail, #drawer-open, dialog')) showDrawer(false);
});
matchMedia('(min-width: 48rem) and (min-height: 30rem)').addEventListener('change', () => showDrawer(false));
function compose() {
  if (!permits('messages:write', at.topic)) return;
  composer.open(at.topic);
  showDrawer(false);
}
for (const id of ['compose-open', 'compose-bar']) $(id).addEventListener('click', compose);
$('open-form').addEventListener('submit', (/** @type {Event} */ event) => {
  event.preventDefault();
  // A topic whose messages are gone may still have consumers, and is not in the list.
  const name = $('open-name').value.trim();
  const isBad = !isTopicName(name);
  $('open-error').textContent = isBad ? T.noTopic : '';
  $('open-error').hidden = !isBad;
  $('open-name').toggleAttribute('aria-invalid', isBad);
  if (isBad) return;
  $('open-name').value = '';
  topics.find('');
  showDrawer(false);
  go(name);
  if ($('rail').contains(document.activeElement)) $('view-messages').focus();
});
$('open-name').addEventListener('input', () => topics.find($('open-name').value));
document.querySelector('.skip')?.addEventListener('click', (event) => { event.preventDefault(); $('main').focus(); });
for (const link of document.querySelectorAll('a[hreflang]')) {
  link.addEventListener('click', () => {
    /** @type {HTMLAnchorElement} */ (link).hash = location.hash;
    composer.keep();
  });
}
$('messages').addEventListener('click', (/** @type {MouseEvent} */ event) => {
  const link = event.target instanceof Element && event.target.closest('a');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go(at.topic, /** @type {Element} */ (link.parentElement).id);
});

/** @param {number} step */
function step(step) {
  if (at.view !== 'messages') return;
  const next = list.step(step);
  if (next && (at.id || !isNarrow())) go(at.topic, next.id);
}
/**
 * Arrows step in the list; elsewhere they scroll.
 * @param {number} by
 * @param {Element} target
 */
function arrow(by, target) {
  const isInList = at.view === 'messages' && !target.closest('#detail') && !(at.id && isNarrow());
  if (isInList) step(by);
  return isInList;
}
/**
 * Scrolls the list, or what else is shown, by a key while nothing has the focus: the document does not scroll then.
 * @param {Element} target
 * @param {(place: Element) => number} to
 */
function scroll(target, to) {
  const place = at.view === 'messages' ? $('list') : $(`${at.view}-view`);
  if (!target.matches('body, main') || place.scrollHeight <= place.clientHeight) return false;
  place.scrollTo({ top: to(place) });
  return true;
}
/** @param {number} step */
function stepTopic(step) {
  const next = topics.neighbour(step);
  if (next) go(next);
}
/** @param {string} view */
function offer(view) { if (isOffered(view)) go(at.topic, view); }
function endFilter() {
  const row = document.activeElement?.closest('#messages li');
  $('find').value = '';
  list.find();
  list.focus(row?.id ?? at.id);
}
listenForKeys({
  PageDown: (target) => scroll(target, ({ scrollTop, clientHeight }) => scrollTop + clientHeight * 0.9),
  PageUp: (target) => scroll(target, ({ scrollTop, clientHeight }) => scrollTop - clientHeight * 0.9),
  End: (target) => scroll(target, ({ scrollHeight }) => scrollHeight), Home: (target) => scroll(target, () => 0),
  j: () => step(1), k: () => step(-1), ArrowDown: (target) => arrow(1, target), ArrowUp: (target) => arrow(-1, target),
  g: () => list.toNewest(), G: () => { const { oldest } = list.window; if (oldest) list.focus(oldest.id); },
  '/': () => { go(at.topic); $('find').focus(); $('find').select(); },
  c: compose, y: () => { if (detail.message) copy(detail.message.message); },
  '#': () => detail.remove(), '[': () => stepTopic(-1), ']': () => stepTopic(1),
  1: () => go(at.topic), 2: () => offer('consumers'), 3: () => offer('webhooks'), 4: () => go('~service'),
  '?': () => $('keys-dialog').showModal(),
  Escape() {
    if (!$('composer').hidden && $('composer').contains(document.activeElement)) composer.close();
    else if (document.body.classList.contains('drawer')) showDrawer(false);
    else if (document.activeElement === $('find')) endFilter();
    else if (document.activeElement === $('open-name')) { $('open-name').value = ''; topics.find(''); }
    else if (at.id) closeDetail();
    else if (!$('composer').hidden) composer.close();
    else if (list.filter && at.view === 'messages') endFilter();
  },
});
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) { missed = 0; showTitle(); topics.show(); }
});

for (const time of $('service-view').querySelectorAll('time')) time.textContent = fullTime(time.dateTime);
tokenChanged();
addEventListener('hashchange', route);
addEventListener('popstate', route);
route();
if (hasToken()) toPermitted();
