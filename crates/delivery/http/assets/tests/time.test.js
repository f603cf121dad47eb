import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BEGINNING, duration, isUlid, parseSince, relative, span, ulidBefore, ulidTime } from '../time.js';

test('a time is relative in the largest unit that fits', () => {
  const now = Date.parse('2026-11-29T12:00:00Z');
  const ago = (seconds) => relative(now - seconds * 1000, now, 'en');
  assert.deepEqual(
    [0, 59, 60, 3599, 3600, 86_400, 2 * 86_400].map(ago),
    ['now', 'now', '1 min. ago', '59 min. ago', '1 hr. ago', 'yesterday', '2 days ago'],
  );
  assert.equal(relative(now - 120_000, now, 'ru'), '2 мин. назад');
  assert.equal(relative(now + 60_000, now, 'en'), 'in 1 min.');
  assert.equal(relative(now - 12_000, now, 'en', true), '12 sec. ago');
});

test('a duration has days only if there are any', () => {
  assert.equal(duration(3725.9), '01:02:05');
  assert.equal(duration(2 * 86_400 + 61), '2d 00:01:01');
  assert.deepEqual([0, 59, 120, 7200, 172_800].map((seconds) => span(seconds, 'en')), ['0 sec', '59 sec', '2 min', '2 hr', '2 days']);
});

test('the id before an id is its predecessor in their order', () => {
  assert.equal(ulidBefore('01M8JMBD0R000000000000000C'), '01M8JMBD0R000000000000000B');
  assert.equal(ulidBefore('01M8JMBD0R0000000000000000'), '01M8JMBD0QZZZZZZZZZZZZZZZZ');
  assert.equal(ulidBefore(BEGINNING), BEGINNING);
});

test('an id holds its time, and other texts are no ids', () => {
  assert.equal(ulidTime('01ARZ3NDEKTSV4RRFFQ69G5FAV'), 1_469_922_850_259);
  for (const text of ['01ARZ3NDEKTSV4RRFFQ69G5FAV', '01arz3ndektsv4rrffq69g5fav', BEGINNING]) assert.ok(isUlid(text));
  for (const text of ['', '81ARZ3NDEKTSV4RRFFQ69G5FAV', '01ARZ3NDEKTSV4RRFFQ69G5FAU', '01ARZ3NDEKTSV4RRFFQ69G5FA']) {
    assert.ok(!isUlid(text), text);
  }
});

test('since is a duration back, or a date with or without time and zone', () => {
  assert.equal(parseSince('15m'), '15m');
  assert.equal(parseSince('2026-11-29T03:00:00+02:00'), '2026-11-29T01:00:00.000Z');
  assert.equal(parseSince('2026-11-29 03:00Z'), '2026-11-29T03:00:00.000Z');
  assert.equal(parseSince('2026-11-29'), new Date('2026-11-29T00:00').toISOString());
  for (const text of ['15', 'm', '2026-13-40', 'yesterday', '1.5h']) assert.equal(parseSince(text), null, text);
});
