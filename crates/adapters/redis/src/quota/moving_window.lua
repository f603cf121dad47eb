-- Decides and counts a request in moving windows.
--
-- One script: all windows of a request must be decided and counted in one step and by one clock, that
-- of the server, which all processes share.
--
-- KEYS[1] sorted set of the allowed requests: score and member are the microsecond
-- ARGV as for fixed_window.lua
-- Returns as fixed_window.lua; the last number of a window is the microseconds until it allows one
-- request more than now, 0 if it is empty.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
-- Step 1: the use of each window.
local reply = {1}
local longest = 0
for i = 2, #ARGV, 2 do
  local length = ARGV[i] * 1000000
  longest = math.max(longest, length)
  local used = redis.call('ZCOUNT', KEYS[1], string.format('(%.0f', now - length), '+inf')
  if used >= tonumber(ARGV[i + 1]) then
    reply[1] = 0
  end
  reply[i] = used
end
-- Step 2: record the request.
if ARGV[1] == '1' and reply[1] == 1 then
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
  local name = string.format('%.0f', at)
  while redis.call('ZADD', KEYS[1], 'NX', name, name) == 0 do
    at = at + 1
    name = string.format('%.0f', at)
  end
  if left < longest then
    redis.call('PEXPIRE', KEYS[1], string.format('%.0f', longest / 1000))
  end
  for i = 2, #ARGV, 2 do
    reply[i] = reply[i] + 1
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
