-- Reads the clock of the server, and keeps the time that processes trust.
--
-- One script: a process must not replace a later time.
--
-- KEYS[1] string of the last trusted time in milliseconds; ARGV[1] trusted time of this process, 0
-- if it has none
-- Returns {time of the server, last trusted time}, both in milliseconds; 0 if there is none.

local time = redis.call('TIME')
local seen = tonumber(redis.call('GET', KEYS[1]) or 0)
-- Written at most every minute. A full server rejects it, and must be pruned all the same.
if tonumber(ARGV[1]) >= seen + 60000 then
  redis.pcall('SET', KEYS[1], ARGV[1])
end
return { time[1] * 1000 + math.floor(time[2] / 1000), seen }
