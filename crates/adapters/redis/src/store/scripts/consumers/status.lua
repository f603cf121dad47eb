-- Reads settings and counts of a consumer.
--
-- One script: all counts must be of one moment, after the leases that ended by then.
--
-- KEYS, ARGV[1] to ARGV[4] as pull.lua
-- Returns {'ok', status} or {'absent'}.

local c = open(ARGV[4])
finish()
if not c then
  return { 'absent' }
end
return { 'ok', status(c) }
