-- Reads the record, the health and the counts of a webhook.
--
-- One script: all counts must be of one moment, after the leases that ended by then.
--
-- KEYS, ARGV[1] to ARGV[4] as pull.lua
-- Returns {'ok', status, record} or {'absent'}.

local c = open(ARGV[4])
finish()
local record = c and webhook(c)
if not record then
  return { 'absent' }
end
return { 'ok', status(c), record }
