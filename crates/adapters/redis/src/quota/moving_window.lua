-- Decides and counts requests in moving windows, all of them or none.
--
-- One script: all windows of the requests must be decided and counted in one step and by one clock, that
-- of the server, which all processes share.
--
-- KEYS[1] sorted set of the allowed requests: score and member are the microsecond
-- ARGV as for fixed_window.lua
-- Returns as fixed_window.lua; the last number of a window is the microseconds until it allows one
-- request more than now, 0 if it is empty.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
-- Step 1: the use of each window.
local count = tonumber(ARGV[1])
local reply = {1}
local longest = 0
for i = 2, #ARGV, 2 do
  local length = ARGV[i] * 1000000
  longest = math.max(longest, length)
  local used = redis.call('ZCOUNT', KEYS[1], string.format('(%.0f', now - length), '+inf')
  if used + math.max(count, 1) > tonumber(ARGV[i + 1]) then
    reply[1] = 0
  end
  reply[i] = used
end
-- Step 2: record the requests.
if count > 0 and reply[1] == 1 then
  local left = redis.call('PTTL', KEYS[1]) * 1000
  -- A TTL beyond the longest window is of a process with a longer one: then the newest 10 000
  -- requests stay, which is the greatest limit.
  if left <= longest then
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - longest))
  else
    redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -10001)
  end
  -- Two requests of one microsecond get consecutive ones.
  local at = now
  local added = 0
  while added < count do
    local name = string.format('%.0f', at)
    added = added + redis.call('ZADD', KEYS[1], 'NX', name, name)
    at = at + 1
  end
  if left < longest then
    redis.call('PEXPIRE', KEYS[1], string.format('%.0f', longest / 1000))
  end
  for i = 2, #ARGV, 2 do
    reply[i] = reply[i] + count
  end
end
-- Step 3: the time at which each window frees a request.
local total = redis.call('ZCARD', KEYS[1])
for i = 2, #ARGV, 2 do
  local first = total - reply[i] + math.max(0, reply[i] - ARGV[i + 1])
  local oldest = redis.call('ZRANGE', KEYS[1], first, first)[1]
  reply[i + 1] = oldest and math.max(0, oldest + ARGV[i] * 1000000 - now) or 0
end
return reply
