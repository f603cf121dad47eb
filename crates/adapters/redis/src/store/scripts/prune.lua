-- Removes the oldest messages of a topic that exceed its age or its number, and counts them as missed
-- at every consumer that has not settled them.
--
-- One script: the decision and the removal must see the same state, a reader must never see the
-- messages gone and the mark not yet set, and consumers count the messages behind their cursors.
--
-- KEYS, ARGV[1] as consumers/common.lua; ARGV[2] greatest age in milliseconds, ARGV[3] greatest number
-- of messages, ARGV[4] most messages to remove in this call, ARGV[5] age of the last message in
-- milliseconds from which an empty stream is idle, ARGV[6] TTL of the mark of an idle topic in
-- milliseconds, ARGV[7] trusted time in milliseconds: messages expire by the earlier of this and the
-- server's time, so that a jump of the clock removes none
-- Returns {removed, more, idle, lead, consumed}: the number of removed messages, `1` if more must be removed,
-- `1` if the stream was idle and was deleted with its fence, the milliseconds by which the newest id is
-- ahead of the server's clock, and `1` if the topic has consumers.
--
-- Trimming to the first kept id is idempotent, whatever entries a torn append-only file restored. The
-- mark is set first, so that no torn file contains the removal without the mark.

local length = redis.call('XLEN', stream)
local consumed = redis.call('EXISTS', registry)
local expired = math.min(now, tonumber(ARGV[7]))
local function millis(id)
  return tonumber(string.match(id, '^%d+'))
end
-- The time when a message was stored: its field `at`, which comes first, or the time in its id.
local function stored_at(message)
  return message[2][1] == 'at' and tonumber(message[2][2]) or millis(message[1])
end

-- Step 1: delete an empty stream if it is idle and has no consumers. Until then it stays: it remembers
-- the greatest id.
if length == 0 then
  if consumed == 1 then
    return { 0, 0, 0, 0, consumed }
  end
  if redis.call('EXISTS', stream) == 1 then
    local newest_ms = millis(newest())
    if newest_ms + tonumber(ARGV[5]) >= expired then
      return { 0, 0, 0, math.max(0, newest_ms - now), consumed }
    end
    -- The mark is then the newest id that the topic gave: a reader at it has missed nothing.
    redis.call('PERSIST', stream)
    redis.call('SET', mark, stream_state('last-generated-id'))
  end
  redis.call('DEL', stream, fence)
  if redis.call('PTTL', mark) == -1 then
    redis.call('PEXPIRE', mark, ARGV[6])
  end
  return { 0, 0, 1, 0, consumed }
end

-- Step 2: find the messages to remove.
local oldest_kept = expired - tonumber(ARGV[2])
local excess = length - tonumber(ARGV[3])
local limit = tonumber(ARGV[4])
local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
local last_ms = millis(redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1][1])
local lead = math.max(0, last_ms - now)
-- Every message before an expired one is expired. While the ids are ahead, they have the same time: the
-- messages of that time may be older than those before them, which were stored by the wrong clock.
local last_expired = ZERO
if lead > 0 then
  local redated = redis.call('XRANGE', stream, text(last_ms), '+', 'COUNT', limit + 1)
  for _, message in ipairs(redated) do
    if stored_at(message) < oldest_kept then
      last_expired = padded(message[1])
    end
  end
end
local function is_expired(message)
  return stored_at(message) < oldest_kept or padded(message[1]) <= last_expired
end
if excess <= 0 and not is_expired(first) then
  return { 0, 0, 0, lead, consumed }
end
local entries, is_cut = read_range('-', '+', limit + 1)
if is_cut then
  limit = #entries - 1
end
local exceeding = 0
for i, message in ipairs(entries) do
  if i > excess and not is_expired(message) then
    break
  end
  exceeding = i
end
local removed = math.min(exceeding, limit)

-- Step 3: set the mark. The stream has no TTL, but a full server accepts PERSIST as the first write of
-- a script, and then every other write; it rejects a SET that comes first, and could never be freed.
redis.call('PERSIST', stream)
local all = open_all()
redis.call('SET', mark, entries[removed][1])

-- Step 4: adjust the consumers. New messages and waiting entries are missed now, a leased one when its
-- lease ends: see `fail`. Before the trimming: if a torn file contains only this, a consumer counts
-- messages that it has settled, and its next pull at the end of the topic corrects that.
local last = padded(entries[removed][1])
for _, c in ipairs(all) do
  local behind = removed
  while behind > 0 and padded(entries[behind][1]) > c.cursor do
    behind = behind - 1
  end
  c.behind = c.behind - behind
  c.missed = c.missed + removed - behind
  for _, id in ipairs(redis.call('ZRANGEBYLEX', c.waiting, '-', '[' .. last)) do
    begin()
    local e = entry(c, id)
    if e then
      drop(c, id, e)
      c.missed = c.missed + 1
    else
      unlist(c, id)
    end
  end
  save(c)
end

-- Step 5: trim.
if entries[removed + 1] then
  redis.call('XTRIM', stream, 'MINID', '=', entries[removed + 1][1])
else
  redis.call('XTRIM', stream, 'MAXLEN', '=', 0)
end
finish()
return { removed, exceeding > limit and 1 or 0, 0, lead, consumed }
