-- Reads the clock of the server, and keeps the time that processes trust.
--
-- One script: a process must not replace a later time.
--
-- KEYS[1] string of the last trusted time in milliseconds; ARGV[1] trusted time of this process, 0
-- if it has none
-- Returns {time of the server, last trusted time}, both in milliseconds; 0 if there is none.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local seen = tonumber(redis.call('GET', KEYS[1]) or 0)
local trusted = tonumber(ARGV[1])
-- The first process trusts the server. Kept at once: the next process must not trust a clock that has jumped since.
if seen == 0 and trusted == 0 then
  trusted = now
end
-- Written at most every minute. A full server rejects it, and must be pruned all the same.
if trusted >= seen + 60000 then
  redis.pcall('SET', KEYS[1], string.format('%.0f', trusted))
end
return { now, seen }
