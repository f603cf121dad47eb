-- Removes a consumer with its entries and dead letters.
--
-- One script: the precondition and the removal must be one step.
--
-- KEYS, ARGV[1] to ARGV[4] as pull.lua; ARGV[5] precondition, ARGV[6] its tags
-- Returns {'ok'}, {'absent'} or {'precondition'}.

local c = intact(load, ARGV[4])
if c == nil then
  return { 'absent' }
elseif not c then
  -- A damaged consumer can be removed too. Its epoch is not known: it is the first one until a seek.
  c = keys_of(ARGV[4])
  c.tag = ''
  set_epoch(c, 1)
end
if not holds(ARGV[5], ARGV[6], c.tag) then
  return { 'precondition' }
end
begin()
redis.call('DEL', c.key)
redis.call('SREM', registry, ARGV[4])
unlink_all(c)
if c.stale then
  redis.call('UNLINK', epoch_keys(c.key, tonumber(c.stale)))
end
finish()
wake()
if string.sub(ARGV[4], 1, 8) == 'webhook:' then
  wake_webhooks()
end
return { 'ok' }
