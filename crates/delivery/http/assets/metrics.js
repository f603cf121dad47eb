// The metrics page of the server (the classic text format), reduced to what the page shows.
/** @typedef {import('./types.d.ts').Sample} Sample */
/** @typedef {import('./types.d.ts').Readings} Readings */

/**
 * @param {string} text
 * @returns {Sample[]}
 */
export function parseMetrics(text) {
  const samples = [];
  for (const line of text.split('\n')) {
    const found = /^(\w+)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!found) continue;
    /** @type {Record<string, string>} */
    const labels = {};
    for (const [, key, value] of (found[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[key] = value;
    samples.push({ name: found[1], labels, value: Number(found[3].replace('Inf', 'Infinity')) });
  }
  return samples;
}

// What the page itself looks at does not count, and neither do pulls and streams, which wait for a message.
const IGNORED = /^\/(metrics|health\/.*|api\/v1\/(?:limits|health)|assets\/.*|.*\/(pull|stream))$/;

/**
 * @param {Sample[]} samples
 * @param {number} at Milliseconds of a monotonic clock.
 * @returns {Readings}
 */
export function readings(samples, at) {
  /** @type {Readings} */
  const found = { at, requests: 0, errors: 0, buckets: new Map(), uptime: 0, streams: 0 };
  for (const { name, labels, value } of samples) {
    if (name === 'app_uptime_seconds') found.uptime = value;
    else if (name === 'app_streams_open') found.streams = value;
    if (IGNORED.test(labels.endpoint ?? '')) continue;
    if (name === 'app_request_duration_seconds_count') {
      found.requests += value;
      if (labels.status >= '500') found.errors += value;
    } else if (name === 'app_request_duration_seconds_bucket') {
      const le = labels.le === '+Inf' ? Infinity : Number(labels.le);
      found.buckets.set(le, (found.buckets.get(le) ?? 0) + value);
    }
  }
  return found;
}

/**
 * What happened between two readings: requests and errors per second, and the latency of which a share is below, in
 * milliseconds (undefined without requests). A server that restarted counts from nothing.
 * @param {Readings} before
 * @param {Readings} now
 */
export function change(before, now) {
  const seconds = Math.max(0.001, (now.at - before.at) / 1000);
  const since = now.requests < before.requests ? { requests: 0, errors: 0, buckets: new Map() } : before;
  const requests = now.requests - since.requests;
  const buckets = [...now.buckets]
    .map(([le, count]) => /** @type {[number, number]} */ ([le, count - (since.buckets.get(le) ?? 0)]))
    .sort(([a], [b]) => a - b);
  return {
    rate: requests / seconds,
    errors: (now.errors - since.errors) / seconds,
    p50: quantile(buckets, 0.5),
    p99: quantile(buckets, 0.99),
  };
}

/**
 * The quantile of a cumulative histogram in seconds, in milliseconds, linear within a bucket.
 * @param {[number, number][]} buckets Upper bounds with counts, ascending.
 * @param {number} share
 */
export function quantile(buckets, share) {
  const total = buckets.at(-1)?.[1] ?? 0;
  if (!total) return undefined;
  const wanted = total * share;
  let [lower, below] = [0, 0];
  for (const [upper, count] of buckets) {
    if (count >= wanted) {
      if (upper === Infinity) return lower * 1000;
      return (lower + ((upper - lower) * (wanted - below)) / (count - below || 1)) * 1000;
    }
    [lower, below] = [upper, count];
  }
  return lower * 1000;
}
