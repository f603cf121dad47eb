-- Appends a message unless its idempotency key was used before.
--
-- One script: the lookup of the key, the append and the record of the key must be one step for every
-- process that uses the same key.
--
-- KEYS[1] stream of messages, KEYS[2] record of the idempotency key and KEYS[3] fence, absent without one
-- ARGV[1] TTL of the record in milliseconds, ARGV[2] record without the id, ARGV[3] `1` to write an
-- existing record again, ARGV[4] trusted time in milliseconds, ARGV[5] field of the idempotency key,
-- ARGV[6] idempotency key, from ARGV[7] on the other fields of the entry
-- Returns {1, id, at} after an append, {0, record, ''} if the key was used; `at` is the time of the
-- message in milliseconds, empty if it is that of the id.

local record = KEYS[2] and redis.call('GET', KEYS[2])
if record then
  -- WAIT covers only writes of its own connection: this write, which changes nothing, makes it cover
  -- the first append, which another connection may have made.
  if ARGV[3] == '1' then
    redis.call('SET', KEYS[2], record, 'KEEPTTL')
  end
  return {0, record, ''}
end
local time = redis.call('TIME')
local now = math.max(time[1] * 1000 + math.floor(time[2] / 1000), tonumber(ARGV[4]))
local ends = string.format('%.0f', now + ARGV[1])
local function append(...)
  if KEYS[2] then
    -- The entry names its key and the end of the key's record, for the fence.
    return redis.call('XADD', KEYS[1], '*', ARGV[5], ends .. ' ' .. ARGV[6], ...)
  end
  return redis.call('XADD', KEYS[1], '*', ...)
end
local id = append(unpack(ARGV, 7))
-- The time of the message is not that of its id if the clock was set back: append it again with both.
local at = ''
local ms = tonumber(string.match(id, '^%d+'))
if ms > now or ms + 1000 < now then
  redis.call('XDEL', KEYS[1], id)
  at = string.format('%.0f', now)
  local fields = {'at', at}
  if KEYS[2] then
    fields = {'at', at, ARGV[5], ends .. ' ' .. ARGV[6]}
  end
  for i = 7, #ARGV do
    fields[#fields + 1] = ARGV[i]
  end
  id = redis.call('XADD', KEYS[1], '*', unpack(fields))
end
if KEYS[2] then
  local dated = at == '' and id or id .. '/' .. at
  redis.call('SET', KEYS[2], dated .. ' ' .. ARGV[2], 'PXAT', ends)
  -- For the fence: the entry is whole, whatever becomes of its record.
  redis.call('HSET', KEYS[3], 'kept', id)
end
return {1, id, at}
