import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageWindow, MOST_LOADED } from '../window.js';

const of = (number) => ({
  id: String(number).padStart(6, '0'), topic: 'inbox', message: `m${number}`, attributes: {}, processed_at: '',
});
const range = (from, to) => Array.from({ length: from - to + 1 }, (_, index) => of(from - index)); // The newest first.
const ids = (window) => window.items.map(({ id }) => Number(id));

test('what is added at one end beyond the bound is dropped at the other', () => {
  const window = new MessageWindow();
  window.reset(range(1000, 951), { atNewest: true, atOldest: false });
  let last = 950;
  while (window.items.length < MOST_LOADED) {
    assert.deepEqual(window.addOlder(range(last, last - 49)), []);
    last -= 50;
  }
  assert.ok(window.atNewest);
  const dropped = window.addOlder(range(last, last - 49));
  assert.deepEqual(dropped.map(({ id }) => Number(id)), range(1000, 951).map(({ id }) => Number(id)));
  assert.equal(window.items.length, MOST_LOADED);
  assert.ok(!window.atNewest);
  assert.equal(window.addNewer(range(1000, 951)).length, 50);
  assert.ok(!window.atOldest);
  assert.equal(Number(window.newest.id), 1000);
});

test('nothing is added twice, and the order stays', () => {
  const window = new MessageWindow();
  window.reset(range(10, 5), { atNewest: true, atOldest: true });
  window.addNewer(range(12, 9));
  window.addOlder(range(6, 3));
  assert.deepEqual(ids(window), [12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
});

test('memory stays flat while messages arrive', () => {
  const window = new MessageWindow();
  for (let number = 1; number <= 10_000; number++) window.addNewer([of(number)]);
  assert.equal(window.items.length, MOST_LOADED);
  assert.equal(Number(window.newest.id), 10_000);
});

test('the neighbour is the next one that is shown, and stays within the ends', () => {
  const window = new MessageWindow();
  window.reset(range(5, 1), { atNewest: true, atOldest: true });
  const isOdd = ({ id }) => Number(id) % 2 === 1;
  const step = (id, by) => Number(window.neighbour(id && of(id).id, by, isOdd)?.id);
  assert.deepEqual([step(0, 1), step(5, 1), step(3, -1), step(1, 1), step(5, -1)], [5, 3, 5, 1, 5]);
});
