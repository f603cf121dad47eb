// The inbox page. Texts of messages are only ever set as text.
import { ConsumerCard, ConsumerItem } from './consumers.js';
import { $, create, createButton, createTime, data, hasToken, lang, permits, problemOf, request, setToken } from './session.js';
import { WebhookItem } from './webhooks.js';

const MOST_SHOWN = 500;
const TEXTS = {
  ru: {
    left: (n) => `осталось ${n}`, over: (n) => `лишних знаков: ${n}`, sending: 'Отправляется…',
    stored: (r) => `Сохранено в тему «${r.topic}»: ${r.id} (${r.durability}).`,
    replayed: 'Сообщение уже было сохранено ранее.', wait: (n) => `Слишком много запросов. Повторите через ${n} с.`,
    again: 'Можно отправлять снова.', unreachable: 'Сервер не отвечает. Повторная отправка не создаст дубликат.',
    live: 'На связи: новые сообщения появляются автоматически.', connecting: 'Подключение…',
    broken: (n) => `Соединение прервано. Следующая попытка через ${n} с.`, offline: 'Нет сети.',
    gap: 'Часть сообщений удалена по правилам хранения.', bye: 'Сервер завершает работу. Соединение восстановится автоматически.',
    fresh: (m) => `Новое сообщение: ${m}`, remove: 'Удалить', removed: 'Сообщение удалено.', empty: 'Сообщений пока нет.',
    denied: 'У токена нет права на это действие.', refused: 'Для чтения нужен токен.', degraded: (list) => `Недоступно: ${list}. Сервер работает в ограниченном режиме.`,
    noTopic: 'Имя темы — от 1 до 64 знаков a–z, 0–9, «.», «_» и «-», первый из них буква или цифра.',
    unready: 'Сервер временно не принимает сообщения.', none: 'нет данных', hidden: 'Метрики по этому адресу недоступны.',
    healthy: 'в порядке', limited: 'с ограничениями', ms: 'мс', perSecond: 'в секунду', failed: (t) => `Ошибка: ${t}`,
  },
  en: {
    left: (n) => `${n} left`, over: (n) => `${n} too many`, sending: 'Sending…',
    stored: (r) => `Stored in “${r.topic}” as ${r.id} (${r.durability}).`,
    replayed: 'The message was already stored.', wait: (n) => `Too many requests. Again in ${n} s.`,
    again: 'You may send again.', unreachable: 'The server does not respond. Sending again does not create a duplicate.',
    live: 'Connected: new messages appear automatically.', connecting: 'Connecting…',
    broken: (n) => `The connection broke. Next attempt in ${n} s.`, offline: 'No network.',
    gap: 'Some messages were removed by retention.', bye: 'The server is shutting down. The page reconnects automatically.',
    fresh: (m) => `New message: ${m}`, remove: 'Delete', removed: 'The message was deleted.', empty: 'No messages yet.',
    denied: 'The token does not permit this action.', refused: 'Reading requires a token.', degraded: (list) => `Unavailable: ${list}. The service is degraded.`,
    noTopic: 'A topic has 1 to 64 characters of a–z, 0–9, “.”, “_” and “-”, the first one a letter or a digit.',
    unready: 'The server does not accept messages at the moment.', none: 'no data', hidden: 'Metrics are not available at this address.',
    healthy: 'healthy', limited: 'degraded', ms: 'ms', perSecond: 'per second', failed: (t) => `Failed: ${t}`,
  },
};
const T = TEXTS[lang] ?? TEXTS.en;

// ---- tokens
const pause = (ms, signal) => new Promise((done) => {
  const timer = setTimeout(done, ms);
  signal?.addEventListener('abort', () => { clearTimeout(timer); done(); }, { once: true });
});

function askForToken(reason) {
  $('access').hidden = false;
  $('token-reason').textContent = reason ?? T.refused;
  if (!$('token-dialog').open) $('token-dialog').showModal();
}
$('token-form').addEventListener('submit', () => {
  setToken($('token').value);
  $('token').value = '';
  showTokenState();
  open(topic);
  listTopics();
});
$('token-cancel').addEventListener('click', () => $('token-dialog').close());
$('token-open').addEventListener('click', () => askForToken(''));
$('token-forget').addEventListener('click', () => {
  setToken('');
  showTokenState();
  open(topic);
});
function showTokenState() {
  $('token-forget').hidden = !hasToken();
  $('access').hidden = data.open === 'true' && !hasToken();
  for (const button of document.querySelectorAll('.delete')) button.hidden = !permits('messages:delete');
}

// ---- sending
const most = Number(data.maxLength);
// As the server counts: Unicode scalar values without surrounding white space.
const length = (text) => [...text.trim()].length;
let attempt = null; // The key and the body that it belongs to.
let held = 0; // Until when sending is held back.

function count() {
  const left = most - length($('text').value);
  $('count').textContent = left < 0 ? T.over(-left) : T.left(left);
  $('count').classList.toggle('over', left < 0);
}
$('text').addEventListener('input', count);

function newKey() {
  // `randomUUID` exists in secure contexts only; a laptop's page in a local network is none.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
function fieldError(field, text) {
  const [input, place] = field === 'topic' ? [$('topic'), $('topic-error')] : [$('text'), $('text-error')];
  input.setAttribute('aria-invalid', 'true');
  place.textContent = place.textContent ? `${place.textContent} ${text}` : text;
  place.hidden = false;
  return input;
}
function clearErrors() {
  for (const [input, place] of [[$('text'), $('text-error')], [$('topic'), $('topic-error')]]) {
    input.removeAttribute('aria-invalid');
    place.textContent = '';
    place.hidden = true;
  }
}
function say(text, bad = false) {
  $('receipt').textContent = text;
  $('receipt').classList.toggle('error', bad);
}
function holdBack(seconds) {
  held = Date.now() + seconds * 1000;
  $('send-button').setAttribute('aria-disabled', 'true');
  const tick = () => {
    const rest = Math.ceil((held - Date.now()) / 1000);
    if (rest > 0) {
      $('countdown').textContent = T.wait(rest);
      setTimeout(tick, 250);
    } else {
      $('countdown').textContent = '';
      $('send-button').removeAttribute('aria-disabled');
      say(T.again);
    }
  };
  tick();
  say(T.wait(seconds), true);
}
let sending = false;
$('send').addEventListener('submit', async (event) => {
  event.preventDefault();
  if (sending || Date.now() < held) return;
  const body = JSON.stringify({ message: $('text').value, ...($('topic').value && { topic: $('topic').value }) });
  // A retry of what may have arrived keeps its key, so that it is stored once.
  if (attempt?.body !== body) attempt = { body, key: newKey() };
  sending = true;
  $('send-button').setAttribute('aria-disabled', 'true');
  clearErrors();
  say(T.sending);
  try {
    const answer = await request('/api/v1/message', {
      method: 'POST', body, headers: { 'Content-Type': 'application/json', 'Idempotency-Key': attempt.key },
    });
    if (answer.status === 201) {
      const receipt = await answer.json();
      attempt = null;
      say([T.stored(receipt), answer.headers.get('Idempotency-Replayed') && T.replayed].filter(Boolean).join(' '));
      $('text').value = '';
      count();
      $('text').focus();
      if (receipt.topic !== topic) open(receipt.topic);
      listTopics();
      return;
    }
    const problem = await problemOf(answer);
    if (answer.status === 429) return holdBack(Number(answer.headers.get('Retry-After')) || 1);
    if (answer.status === 401) askForToken(problem.detail);
    const inputs = (problem.errors ?? []).map((error) => fieldError(error.field, error.message));
    inputs[0]?.focus();
    say(T.failed(problem.detail ?? answer.statusText), true);
  } catch {
    say(T.unreachable, true);
  } finally {
    sending = false;
    if (Date.now() >= held) $('send-button').removeAttribute('aria-disabled');
  }
});

// ---- topics
let topic = 'inbox';
// A topic whose messages are gone may still have consumers, and is not in the list.
$('topic-open').addEventListener('click', () => {
  clearErrors();
  const name = $('topic').value || 'inbox';
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(name)) return fieldError('topic', T.noTopic).focus();
  open(name);
  listTopics();
});
async function listTopics() {
  const answer = await request('/api/v1/topics?limit=200').catch(() => null);
  if (!answer?.ok) return;
  const { topics } = await answer.json();
  if (!topics.some((one) => one.topic === topic)) topics.unshift({ topic, count: 0 });
  const items = topics.map((one) => {
    const item = create('li');
    const text = `${one.topic} (${one.count.toLocaleString(lang)})`;
    const button = createButton('plain', text, () => open(one.topic));
    button.setAttribute('aria-pressed', String(one.topic === topic));
    button.dataset.topic = one.topic;
    item.append(button);
    return item;
  });
  const focused = document.activeElement?.dataset?.topic;
  $('topics').replaceChildren(...items);
  if (focused) $('topics').querySelector(`[data-topic="${focused}"]`)?.focus();
}
let listing = 0;
function listTopicsSoon() {
  clearTimeout(listing);
  listing = setTimeout(listTopics, 1000);
}

// ---- messages
let following = new AbortController();
function element(message) {
  const item = create('li');
  item.id = message.id;
  const text = create('p', 'text', message.message);
  const meta = create('div', 'meta');
  meta.append(createTime(message.processed_at), create('code', '', message.id));
  for (const [key, value] of Object.entries(message.attributes ?? {})) {
    meta.append(create('span', '', `${key}: ${value}`));
  }
  const remove = createButton('plain delete', T.remove, () => confirmDelete(message));
  remove.hidden = !permits('messages:delete');
  meta.append(remove);
  item.append(text, meta);
  return item;
}
function showEmpty() { $('empty').hidden = $('messages').childElementCount > 0; }
function arrived(message) {
  if ($(message.id)) return;
  const item = element(message);
  item.classList.add('fresh');
  $('messages').prepend(item);
  while ($('messages').childElementCount > MOST_SHOWN) {
    $('messages').lastElementChild.remove();
    $('older').hidden = false;
  }
  showEmpty();
  $('announcer').textContent = T.fresh(message.message.slice(0, 200));
  listTopicsSoon();
}
let loading = false;
async function older() {
  const last = $('messages').lastElementChild;
  if (loading || !last || $('messages').childElementCount >= MOST_SHOWN) return;
  loading = true;
  try {
    const answer = await request(`/api/v1/topics/${topic}/messages?order=desc&limit=50&before=${last.id}`);
    if (!answer.ok) return;
    const page = await answer.json();
    for (const message of page.messages) if (!$(message.id)) $('messages').append(element(message));
    $('older').hidden = page.messages.length < 50;
  } catch { /* The state line says it. */ } finally { loading = false; }
}
$('older').addEventListener('click', older);
new IntersectionObserver((entries) => {
  if (entries.some((entry) => entry.isIntersecting)) older();
}).observe($('older'));

let doomed = null;
function confirmDelete(message) {
  doomed = message;
  $('delete-text').textContent = message.message.slice(0, 300);
  $('delete-dialog').showModal();
}
$('delete-cancel').addEventListener('click', () => $('delete-dialog').close());
$('delete-form').addEventListener('submit', async () => {
  const { id, topic: of } = doomed;
  try {
    const answer = await request(`/api/v1/topics/${of}/messages/${id}`, { method: 'DELETE' });
    if (answer.ok || answer.status === 404) {
      $(id)?.remove();
      showEmpty();
      listTopics();
      say(T.removed);
    } else if (answer.status === 401) askForToken();
    else say(T.failed((await problemOf(answer)).detail ?? T.denied), true);
  } catch { say(T.failed(T.offline), true); }
});

// ---- the live list
const cards = [
  new ConsumerCard('consumers', 'messages:consume', ConsumerItem),
  new ConsumerCard('webhooks', 'webhooks:manage', WebhookItem),
];
function link(text, bad = false) {
  $('link').textContent = text;
  $('link').classList.toggle('error', bad);
}
async function open(name) {
  following.abort();
  const { signal } = following = new AbortController();
  topic = name;
  $('topic-name').textContent = name;
  for (const button of $('topics').querySelectorAll('button')) {
    button.setAttribute('aria-pressed', String(button.dataset.topic === name));
  }
  $('messages').replaceChildren();
  for (const card of cards) card.open(name);
  $('older').hidden = true;
  showEmpty();
  let [last, tries] = [null, 0];
  let isFirst = true;
  while (!signal.aborted) {
    try {
      link(T.connecting);
      if (isFirst) {
        const answer = await request(`/api/v1/topics/${name}/messages?order=desc&limit=50`, { signal });
        if (!answer.ok) throw await refusal(answer);
        const page = await answer.json();
        $('messages').replaceChildren(...page.messages.map(element));
        $('older').hidden = page.messages.length < 50;
        last = page.messages[0]?.id ?? null;
        showEmpty();
        isFirst = false;
      }
      last = await follow(name, last, signal, () => { tries = 0; });
      if (signal.aborted) return;
    } catch (error) {
      if (signal.aborted || error?.final) return;
      if (error?.last) last = error.last;
      if (error?.wait) tries = Math.max(tries, Math.log2(error.wait));
    }
    const seconds = Math.min(30, 2 ** tries++);
    for (let rest = Math.ceil(seconds); rest > 0 && !signal.aborted; rest--) {
      link(navigator.onLine ? T.broken(rest) : T.offline, true);
      await pause(1000, signal);
    }
  }
}
async function refusal(answer) {
  const problem = await problemOf(answer);
  if (answer.status === 401) {
    link(T.refused, true);
    askForToken(hasToken() ? problem.detail : T.refused);
    return { final: true };
  }
  if (answer.status === 403) {
    link(problem.detail ?? T.denied, true);
    return { final: true };
  }
  return { wait: Number(answer.headers.get('Retry-After')) || 1 };
}
// Reads the stream to its end; gives the id of the last event.
async function follow(name, from, signal, connected) {
  let last = from;
  const headers = last ? { 'Last-Event-ID': last } : {};
  const answer = await request(`/api/v1/topics/${name}/stream`, { signal, headers });
  if (!answer.ok) throw await refusal(answer);
  connected();
  link(T.live);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let [buffer, event] = ['', {}];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return last;
      buffer += value;
      const lines = buffer.split('\n');
      buffer = lines.pop();
      for (const line of lines) {
        if (line === '') {
          if (event.id) last = event.id;
          if (event.event === 'message') arrived(JSON.parse(event.data));
          else if (event.event === 'gap') { link(T.gap, true); }
          else if (event.event === 'bye') { link(T.bye, true); }
          event = {};
        } else if (!line.startsWith(':')) {
          const colon = line.indexOf(':');
          event[line.slice(0, colon)] = line.slice(colon + 1).replace(/^ /, '');
        }
      }
    }
  } catch { throw { last }; }
}

// ---- how the server is: from its metrics, which cost nobody a quota
const history = { rate: [], latency: [] };
let before = null;
function readMetrics(text) {
  const sums = {};
  const down = [];
  for (const line of text.split('\n')) {
    const found = /^(\w+)(?:\{([^}]*)\})? (\S+)/.exec(line);
    if (!found) continue;
    const [, name, labels = '', value] = found;
    // The page's own look does not count, and neither does a pull, which may wait for a message.
    if (/endpoint="(\/metrics|\/health\/[^"]*|[^"]*\/pull)"/.test(labels)) continue;
    sums[name] = (sums[name] ?? 0) + Number(value);
    if (name === 'app_dependency_up' && Number(value) === 0) down.push(/dependency="([^"]*)"/.exec(labels)?.[1]);
  }
  return { sums, down, at: performance.now() };
}
function draw(id, values) {
  const top = Math.max(...values, 1e-9);
  const points = values.map((value, index) => `${(index / 59) * 100},${30 - (value / top) * 28}`);
  $(id).querySelector('polyline').setAttribute('points', points.join(' '));
}
function uptime(seconds) {
  const [d, h, m, s] = [86400, 3600, 60, 1].map((unit, i, all) => Math.floor((i ? seconds % all[i - 1] : seconds) / unit));
  return `${d ? `${d} d ` : ''}${[h, m, s].map((part) => String(part).padStart(2, '0')).join(':')}`;
}
function push(list, value) {
  list.push(value);
  if (list.length > 60) list.shift();
}
async function look() {
  if (document.hidden) return;
  let state = '';
  try {
    const [ready, metrics] = await Promise.all([fetch(`${data.base}/health/ready`), fetch(`${data.base}/metrics`)]);
    if (!ready.ok) state = T.unready;
    if (metrics.ok) {
      const now = readMetrics(await metrics.text());
      $('uptime').textContent = uptime(now.sums.app_uptime_seconds ?? 0);
      if (now.down.length) state = T.degraded(now.down.join(', '));
      if (before) {
        const change = (name) => Math.max(0, (now.sums[name] ?? 0) - (before.sums[name] ?? 0));
        const requests = change('app_request_duration_seconds_count');
        push(history.rate, requests / ((now.at - before.at) / 1000));
        if (requests) push(history.latency, (change('app_request_duration_seconds_sum') / requests) * 1000);
        $('rate').textContent = `${history.rate.at(-1).toLocaleString(lang, { maximumFractionDigits: 1 })} ${T.perSecond}`;
        const latency = history.latency.at(-1);
        $('latency').textContent = latency === undefined ? T.none : `${latency.toLocaleString(lang, { maximumFractionDigits: 2 })} ${T.ms}`;
        draw('rate-chart', history.rate);
        draw('latency-chart', history.latency);
      }
      before = now;
    } else $('rate').textContent = T.hidden;
  } catch { state = navigator.onLine ? T.unreachable : T.offline; }
  $('health').textContent = state ? T.limited : T.healthy;
  $('state').textContent = state;
  $('state').hidden = !state;
}
addEventListener('offline', look);
addEventListener('online', look);
document.addEventListener('visibilitychange', look);

for (const part of document.querySelectorAll('.needs-script')) part.hidden = false;
count();
showTokenState();
open(topic);
listTopics();
look();
setInterval(look, 2000);
