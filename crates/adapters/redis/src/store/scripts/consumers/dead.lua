-- Reads a page of dead letters.
--
-- One script: the page must be of one moment, after the leases that ended by then.
--
-- KEYS, ARGV[1] to ARGV[4] as pull.lua; ARGV[5] id behind which the page begins, or empty, ARGV[6] most
-- dead letters, ARGV[7] most bytes of them, unless the first has more
-- Returns {'ok', 1 if the bytes ended the page, {id, death, fields}, …} or {'absent'}; a death is
-- attempts, time and reason. What is damaged is nil.

local c = open(ARGV[4])
if not c then
  finish()
  return { 'absent' }
end
local start = ARGV[5] == '' and '-' or '(' .. ARGV[5]
local reply, bytes = { 'ok', 0 }, 0
for i, id in ipairs(redis.call('ZRANGEBYLEX', c.dead, start, '+', 'LIMIT', 0, ARGV[6])) do
  if string.find(id, '^%d+%-%d+$') then
    local letter = redis.call('HGET', c.letters, id)
    bytes = bytes + (letter and #letter or 0)
    if i > 1 and bytes > tonumber(ARGV[7]) then
      reply[2] = 1
      break
    end
    reply[#reply + 1] = { id, redis.call('HGET', c.deaths, id), letter and unpacked(letter) or false }
  else
    -- Nobody could delete what has no id.
    begin()
    forget_letter(c, id)
  end
end
finish()
return reply
