-- Appends a message unless its idempotency key was used before.
--
-- One script: the lookup of the key, the append and the record of the key must be one step for every
-- process that uses the same key.
--
-- KEYS[1] stream of messages, KEYS[2] record of the idempotency key
-- ARGV[1] TTL of the record in milliseconds, ARGV[2] record without the id, ARGV[3] `1` to write an
-- existing record again, ARGV[4] field of the idempotency key, ARGV[5] idempotency key, from ARGV[6]
-- on the other fields of the entry
-- Returns {1, id} after an append, {0, record} if the key was used.

local record = redis.call('GET', KEYS[2])
if record then
  -- WAIT covers only writes of its own connection: this write, which changes nothing, makes it cover
  -- the first append, which another connection may have made.
  if ARGV[3] == '1' then
    redis.call('SET', KEYS[2], record, 'KEEPTTL')
  end
  return {0, record}
end
local time = redis.call('TIME')
local ends = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1])
-- The entry names its key and the end of the key's record, for the fence.
local id = redis.call('XADD', KEYS[1], '*', ARGV[4], ends .. ' ' .. ARGV[5], unpack(ARGV, 6))
redis.call('SET', KEYS[2], id .. ' ' .. ARGV[2], 'PXAT', ends)
return {1, id}
