import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventParser } from '../sse.js';

const stream = 'retry: 2500\nid: 00\n\n: comment\n\nid: 01\nevent: message\ndata: {"a":\ndata: 1}\n\n'
  + 'event: bye\r\ndata: {}\r\n\r\ndata:no space\n\n';

test('events are the same for pieces of any size', () => {
  const whole = new EventParser().push(stream);
  assert.deepEqual(whole, [
    { id: '00', event: 'position', data: '' }, { id: '01', event: 'message', data: '{"a":\n1}' },
    { id: undefined, event: 'bye', data: '{}' }, { id: undefined, event: 'message', data: 'no space' },
  ]);
  for (let size = 1; size < 20; size++) {
    const parser = new EventParser();
    const events = [];
    for (let at = 0; at < stream.length; at += size) events.push(...parser.push(stream.slice(at, at + size)));
    assert.deepEqual(events, whole, `pieces of ${size}`);
    assert.equal(parser.retry, 2500);
  }
});
