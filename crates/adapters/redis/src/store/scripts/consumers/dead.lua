-- Reads a page of dead letters.
--
-- One script: the page must be of one moment, after the leases that ended by then.
--
-- KEYS, ARGV[1] to ARGV[4] as pull.lua; ARGV[5] id behind which the page begins, or empty, ARGV[6] most
-- dead letters
-- Returns {'ok', {id, death, fields}, …} or {'absent'}; a death is attempts, time and reason.

local c = open(ARGV[4])
finish()
if not c then
  return { 'absent' }
end
local start = ARGV[5] == '' and '-' or '(' .. ARGV[5]
local reply = { 'ok' }
for _, id in ipairs(redis.call('ZRANGEBYLEX', c.dead, start, '+', 'LIMIT', 0, ARGV[6])) do
  local letter = redis.call('HGET', c.letters, id)
  reply[#reply + 1] = { id, redis.call('HGET', c.deaths, id), cmsgpack.unpack(letter) }
end
return reply
