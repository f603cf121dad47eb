-- Reads the last attempts of a webhook, the newest first.
--
-- One script: a webhook without attempts must differ from one that does not exist.
--
-- KEYS, ARGV[1] to ARGV[4] as pull.lua
-- Returns {'ok', attempts} or {'absent'}.

local c = open(ARGV[4])
finish()
if not c or not webhook(c) then
  return { 'absent' }
end
return { 'ok', redis.call('LRANGE', c.attempts, 0, -1) }
