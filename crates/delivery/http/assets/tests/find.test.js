import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fits, fitsPattern, parseFind } from '../find.js';

const message = {
  id: '01M8JMBD0R000000000000000C', topic: 'inbox', message: 'The Door is open', processed_at: '',
  attributes: { room: 'Hall', 'ce.type': 'door.opened' },
};

test('what is typed is an id, a time or a filter', () => {
  assert.equal(parseFind('  ').kind, 'none');
  assert.deepEqual(parseFind(' 01m8jmbd0r000000000000000c '), { kind: 'id', text: message.id });
  assert.equal(parseFind('2h').since, '2h');
  assert.deepEqual(parseFind('room=hall'), { kind: 'filter', text: 'room=hall' });
});

test('every word of a filter has to fit', () => {
  for (const filter of ['door', 'OPEN the', 'room=hall', 'room=ha door', 'opened', 'jmbd0r', 'ce.type=door']) {
    assert.ok(fits(message, filter), filter);
  }
  for (const filter of ['shut', 'door shut', 'room=attic', 'hall=room']) assert.ok(!fits(message, filter), filter);
});

test('a pattern of a token matches topics as the server does', () => {
  for (const [pattern, topic, isFit] of [
    ['*', 'inbox', true], ['inbox', 'inbox', true], ['inbox', 'inbox2', false], ['orders.*', 'orders.eu', true],
    ['orders.*', 'ordersXeu', false], ['*.eu', 'orders.eu', true], ['a*b*c', 'a1b2c', true], ['a*b*c', 'a1c2b', false],
    ['ab*ba', 'aba', false], ['a**b', 'ab', true],
  ]) assert.equal(fitsPattern(pattern, topic), isFit, `${pattern} ${topic}`);
});
