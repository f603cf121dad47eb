-- Disables or enables a webhook.
--
-- One script: of several processes that disable it, one must learn that it did.
--
-- KEYS, ARGV[1] to ARGV[4] as pull.lua; ARGV[5] reason, or empty to enable it; ARGV[6] incarnation, or
-- empty for any, ARGV[7] URL, or empty for any
-- Returns {'ok', 1 if that changed it} or {'absent'}.

local c = open(ARGV[4])
local record = c and (ARGV[6] == '' and webhook(c) or ARGV[6] ~= '' and webhook_of(c, ARGV[6]))
if not record or ARGV[7] ~= '' and record.url ~= ARGV[7] then
  finish()
  return { 'absent' }
end
local disables = ARGV[5] ~= ''
if disables == (record.disabled ~= false) then
  finish()
  return { 'ok', 0 }
end
begin()
if disables then
  redis.call('HSET', c.key, 'disabled', ARGV[5])
else
  -- The time without a success begins anew.
  redis.call('HDEL', c.key, 'disabled', 'failing_since')
  -- A pull of the disabled webhook found nothing; what waits is found by the next one.
  wake()
end
finish()
wake_webhooks()
return { 'ok', 1 }
