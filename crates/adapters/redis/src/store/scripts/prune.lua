-- Removes the oldest messages of a topic that exceed its age or its number.
--
-- One script: the decision and the removal must see the same state, and a reader must never see the
-- messages gone and the mark not yet set.
--
-- KEYS[1] stream of messages, KEYS[2] mark of the newest removed id, KEYS[3] fence
-- ARGV[1] greatest age in milliseconds, ARGV[2] greatest number of messages, ARGV[3] most messages to
-- remove in this call, ARGV[4] age of the last message in milliseconds from which an empty stream is
-- idle, ARGV[5] TTL of the mark of an idle topic in milliseconds
-- Returns {removed, more, idle}: the number of removed messages, `1` if more must be removed, and `1`
-- if the stream was idle and was deleted with its fence.
--
-- Trimming to the first kept id is idempotent, whatever entries a torn append-only file restored. The
-- mark is set first, so that no torn file contains the removal without the mark.

local length = redis.call('XLEN', KEYS[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function millis(id)
  return tonumber(string.match(id, '^%d+'))
end
-- Step 1: delete an empty stream if it is idle. Until then it stays: it remembers the greatest id.
if length == 0 then
  if redis.call('EXISTS', KEYS[1]) == 1 then
    local info = redis.call('XINFO', 'STREAM', KEYS[1])
    for i = 1, #info, 2 do
      if info[i] == 'last-generated-id' and millis(info[i + 1]) + tonumber(ARGV[4]) >= now then
        return {0, 0, 0}
      end
    end
    redis.call('DEL', KEYS[1], KEYS[3])
  end
  if redis.call('PTTL', KEYS[2]) == -1 then
    redis.call('PEXPIRE', KEYS[2], ARGV[5])
  end
  return {0, 0, 1}
end
-- Step 2: find the entries to remove, at most ARGV[3].
local oldest_kept = now - tonumber(ARGV[1])
local excess = length - tonumber(ARGV[2])
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
if excess <= 0 and millis(first[1]) >= oldest_kept then
  return {0, 0, 0}
end
local limit = tonumber(ARGV[3])
local entries = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', limit + 1)
local exceeding = 0
for i, entry in ipairs(entries) do
  if i > excess and millis(entry[1]) >= oldest_kept then
    break
  end
  exceeding = i
end
local removed = math.min(exceeding, limit)
-- Step 3: set the mark, then trim.
-- The stream has no TTL. But a full server accepts PERSIST as the first write of a script, and then
-- every other write. It rejects a SET that comes first, and could never be freed.
redis.call('PERSIST', KEYS[1])
redis.call('SET', KEYS[2], entries[removed][1])
if entries[removed + 1] then
  redis.call('XTRIM', KEYS[1], 'MINID', '=', entries[removed + 1][1])
else
  redis.call('XTRIM', KEYS[1], 'MAXLEN', '=', 0)
end
return {removed, exceeding > limit and 1 or 0, 0}
