-- Removes a dead letter.
--
-- One script: its parts must go together.
--
-- KEYS, ARGV[1] to ARGV[4] as pull.lua; ARGV[5] id
-- Returns {'ok', 1 if it was there}, or {'absent'}.

local c = open(ARGV[4])
if not c then
  return { 'absent' }
end
local found = redis.call('ZSCORE', c.dead, ARGV[5])
if found then
  begin()
  forget_letter(c, ARGV[5])
end
finish()
return { 'ok', found and 1 or 0 }
