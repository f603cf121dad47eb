import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bidiParts, excerpt, isInvisible } from '../find.js';

test('a text is cut at a whole character, with an ellipsis', () => {
  assert.equal(excerpt('short', 5), 'short');
  assert.equal(excerpt('longer', 5), 'longe…');
  assert.equal(excerpt('ab🎺🎺', 3), 'ab…');
  assert.equal(excerpt('ab🎺🎺', 4), 'ab🎺…');
  const family = '👩‍👩‍👧‍👦';
  assert.equal(excerpt(family.repeat(3), family.length + 4), `${family}…`);
  // A character without end is cut all the same, but not within a surrogate pair.
  assert.equal(excerpt(`a${'\u0301'.repeat(500)}`, 100).length, 101);
  assert.equal(excerpt(`${'🏻'.repeat(300)}`, 101), `${'🏻'.repeat(50)}…`);
});

test('a text of which nothing is seen is recognised', () => {
  for (const text of ['\u200b\u200b', '\u2060\ufeff \u3164', '']) assert.ok(isInvisible(text), JSON.stringify(text));
  for (const text of ['a', ' 🎺 ', '\u200b1', '́']) assert.ok(!isInvisible(text), JSON.stringify(text));
});

test('characters that reorder a text are set apart as escapes', () => {
  assert.deepEqual(bidiParts('plain'), ['plain']);
  assert.deepEqual(bidiParts('a\u202eb\u2069'), ['a', '\\u{202e}', 'b', '\\u{2069}', '']);
});
