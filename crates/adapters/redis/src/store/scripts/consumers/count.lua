-- Counts messages up to an id, a part in each call: other commands are executed in between.
--
-- One script: the part and the number of removed messages must be of one moment. If messages were removed
-- since the first part, the count begins anew.
--
-- KEYS, ARGV[1] to ARGV[4] as pull.lua; ARGV[5] id, ARGV[6] most messages to count in this call; the
-- progress of the last call, or nothing: ARGV[7] removed messages, ARGV[8] messages of the topic at the
-- first call, ARGV[9] and ARGV[10] counted messages from the beginning and from the end, ARGV[11] and
-- ARGV[12] the ids next to them
-- Returns {'ok', number or -1, progress as ARGV[7] to ARGV[12]}.

local removed = removed_so_far()
local length = redis.call('XLEN', stream)
local progress = { below = 0, above = 0, front = '-', back = '+' }
if removed and ARGV[7] == removed then
  length = tonumber(ARGV[8])
  progress = { below = tonumber(ARGV[9]), above = tonumber(ARGV[10]), front = ARGV[11], back = ARGV[12] }
end
local number = count_on(progress, ARGV[5], length, tonumber(ARGV[6]))
return {
  'ok', number or -1,
  { removed or '', text(length), text(progress.below), text(progress.above), progress.front, progress.back },
}
