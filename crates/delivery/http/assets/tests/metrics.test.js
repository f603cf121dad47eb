import assert from 'node:assert/strict';
import { test } from 'node:test';
import { areaPath, linePath, niceSpan, niceTop } from '../line.js';
import { change, parseMetrics, quantile, readings } from '../metrics.js';

const page = (ok, failed) => `# HELP x
# TYPE app_request_duration_seconds histogram
app_request_duration_seconds_count{method="GET",endpoint="/api/v1/ping",status="200"} ${ok}
app_request_duration_seconds_count{method="GET",endpoint="/api/v1/ping",status="503"} ${failed}
app_request_duration_seconds_bucket{le="0.01",endpoint="/api/v1/ping",status="200"} ${ok}
app_request_duration_seconds_bucket{le="+Inf",endpoint="/api/v1/ping",status="200"} ${ok + failed}
app_request_duration_seconds_count{endpoint="/metrics",status="200"} 999
app_request_duration_seconds_count{endpoint="/api/v1/topics/{topic}/consumers/{consumer}/pull",status="200"} 999
app_dependency_up{dependency="redis"} 0
app_dependency_up{dependency="store"} 1
app_uptime_seconds 12.5
app_streams_open 3
`;
const at = (text, time) => readings(parseMetrics(text), time);

test('the page is read without what the page itself causes', () => {
  const found = at(page(10, 2), 0);
  assert.deepEqual([found.requests, found.errors, found.uptime, found.streams], [12, 2, 12.5, 3]);
});

test('rates and latencies are of the time between two looks', () => {
  const { rate, errors, p50, p99 } = change(at(page(10, 0), 1000), at(page(30, 2), 3000));
  assert.deepEqual([rate, errors], [11, 1]);
  assert.ok(p50 > 0 && p50 <= 10 && p99 === 10, `${p50} ${p99}`);
  assert.equal(change(at(page(10, 0), 0), at(page(10, 0), 2000)).p50, undefined);
});

test('a server that restarted counts from nothing', () => {
  assert.equal(change(at(page(100, 0), 0), at(page(4, 0), 2000)).rate, 2);
});

test('a quantile is linear within its bucket', () => {
  assert.equal(Math.round(quantile([[0.1, 50], [0.2, 100], [Infinity, 100]], 0.75) ?? 0), 150);
  assert.equal(quantile([], 0.5), undefined);
});

test('an axis ends at a round value, and a missing value breaks a line', () => {
  assert.deepEqual([0, 0.3, 1, 7, 11, 230].map(niceTop), [1, 0.5, 1, 10, 20, 500]);
  const line = [{ at: 0, value: 0 }, { at: 5, value: 10 }, { at: 7, value: undefined }, { at: 10, value: 5 }];
  assert.equal(linePath(line, 0, 10, 10, 100, 52), 'M0.0 51.0h0L50.0 1.0M100.0 26.0h0');
  assert.equal(areaPath('M0.0 51.0L50.0 1.0', 52), 'M0.0 51.0L50.0 1.0L50.0 52L0.0 52Z');
  assert.equal(areaPath('M0 1M2 3', 52), '');
  // The axis of times ends at one that has a short name.
  assert.deepEqual([0, 11, 61, 4000, 90_000].map(niceSpan), [10, 30, 120, 7200, 172_800]);
});
