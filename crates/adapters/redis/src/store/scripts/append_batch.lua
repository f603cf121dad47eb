-- Appends the messages of a batch unless its idempotency key was used before.
--
-- One script: a reader must see all messages or none, and the lookup of the key, the appends and the
-- record of the key must be one step for every process that uses the same key.
--
-- KEYS[1] stream of messages, KEYS[2] fence, KEYS[3] record of the idempotency key, absent without one
-- ARGV[1] number of messages, ARGV[2] TTL of the record in milliseconds, ARGV[3] record without the id,
-- ARGV[4] `1` to write an existing record again, ARGV[5] trusted time in milliseconds, ARGV[6] field of
-- the idempotency key, ARGV[7] idempotency key, empty without one; from ARGV[8] on for each message the
-- number of the fields and values of its entry, and these
-- Returns {1, id, at} with the id of the first message, {0, record, ''} if the key was used; `at` as in
-- append_once.lua. The other ids follow the first one: of the same time, with sequence numbers one after
-- another.
--
-- Torn append-only file (see fence.lua): the first write notes in the fence which ids the batch will
-- have, and the last one removes the note. A note that is there after a restart is of a beginning
-- without an end, which the fence removes.

local stream, fence = KEYS[1], KEYS[2]
local count = tonumber(ARGV[1])

-- Step 1: return the first receipt of the key. As in append_once.lua, the write that changes nothing
-- makes WAIT cover the first append.
if KEYS[3] then
  local record = redis.call('GET', KEYS[3])
  if record then
    if ARGV[4] == '1' then
      redis.call('SET', KEYS[3], record, 'KEEPTTL')
    end
    return {0, record, ''}
  end
end

-- Step 2: choose the ids. Explicit ones, because the note needs them before the first append.
local time = redis.call('TIME')
local ms = time[1] * 1000 + math.floor(time[2] / 1000)
local sequence = 0
local now = math.max(ms, tonumber(ARGV[5]))
local ends = string.format('%.0f', now + ARGV[2])
if redis.call('EXISTS', stream) == 1 then
  local info = redis.call('XINFO', 'STREAM', stream)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      local last_ms, last_sequence = string.match(info[i + 1], '^(%d+)-(%d+)$')
      if tonumber(last_ms) >= ms then
        ms, sequence = tonumber(last_ms), tonumber(last_sequence) + 1
      end
    end
  end
end
-- Numbers above 2^53 are not exact.
if sequence + count > 9007199254740992 then
  ms, sequence = ms + 1, 0
end
local function id(number)
  return string.format('%.0f-%.0f', ms, sequence + number)
end

-- The time of the messages is not that of their ids if the clock was set back.
local stored = ''
if ms > now or ms + 1000 < now then
  stored = string.format('%.0f', now)
end

-- Step 3: note the batch. The first write: a full server rejects it, and then nothing is stored.
local first = id(0)
redis.call('HSET', fence, 'batch:' .. first, count .. ' ' .. ARGV[7])

-- Step 4: append. The first entry names the key and the end of its record, for the fence.
local at = 8
for number = 0, count - 1 do
  local last = at + ARGV[at]
  local fields = stored == '' and {} or {'at', stored}
  if number == 0 and KEYS[3] then
    for _, field in ipairs({ARGV[6], ends .. ' ' .. ARGV[7], 'batch', count}) do
      fields[#fields + 1] = field
    end
  end
  if #fields == 0 then
    redis.call('XADD', stream, id(number), unpack(ARGV, at + 1, last))
  else
    for i = at + 1, last do
      fields[#fields + 1] = ARGV[i]
    end
    redis.call('XADD', stream, id(number), unpack(fields))
  end
  at = last + 1
end

-- Step 5: record the key, then remove the note.
if KEYS[3] then
  local dated = stored == '' and first or first .. '/' .. stored
  redis.call('SET', KEYS[3], dated .. ' ' .. ARGV[3], 'PXAT', ends)
  redis.call('HSET', fence, 'kept', id(count - 1))
end
redis.call('HDEL', fence, 'batch:' .. first)
return {1, first, stored}
