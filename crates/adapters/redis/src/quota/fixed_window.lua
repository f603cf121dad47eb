-- Decides and counts requests in fixed windows, all of them or none.
--
-- One script: all windows of the requests must be decided and counted in one step and by one clock, that
-- of the server, which all processes share.
--
-- KEYS[1] hash of the windows of the key: the field is the length of a window in seconds, the value
-- the second at which the window began and the number of its requests
-- ARGV[1] number of requests to count, `0` to look at one; then for each window its length in seconds and its limit
-- Returns `1` if every window allows the requests, else `0`; then for each window the number of its
-- requests and the microseconds until it ends. Rejected requests write nothing.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
-- Step 1: the use of each window; a window that began earlier is empty.
local count = tonumber(ARGV[1])
local reply = {1}
local begins = {}
for i = 2, #ARGV, 2 do
  local length = ARGV[i] * 1000000
  local begin = now - now % length
  local used = 0
  local held = redis.call('HGET', KEYS[1], ARGV[i])
  if held then
    local at, counted = string.match(held, '^(%d+) (%d+)$')
    if tonumber(at) * 1000000 == begin then
      used = tonumber(counted)
    end
  end
  if used + math.max(count, 1) > tonumber(ARGV[i + 1]) then
    reply[1] = 0
  end
  begins[i] = begin
  reply[i] = used
  reply[i + 1] = begin + length - now
end
if count == 0 or reply[1] == 0 then
  return reply
end
-- Step 2: count the requests in every window.
local ends = 0
for i = 2, #ARGV, 2 do
  reply[i] = reply[i] + count
  local value = string.format('%.0f %d', begins[i] / 1000000, reply[i])
  redis.call('HSET', KEYS[1], ARGV[i], value)
  ends = math.max(ends, begins[i] + ARGV[i] * 1000000)
end
-- The TTL is extended and never reduced: a process with other settings may count a longer window.
if redis.call('PTTL', KEYS[1]) < (ends - now) / 1000 then
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', ends / 1000))
end
return reply
