-- Ends the leases of a pull as if they had not been granted.
--
-- One script: a lease must end and wait in one step.
--
-- KEYS, ARGV[1] to ARGV[4] as pull.lua; ARGV[5] nonce
-- Returns {'ok'} or {'absent'}.

local c = open(ARGV[4])
if not c then
  return { 'absent' }
end
local found = false
for _, id in ipairs(redis.call('ZRANGE', c.leased, 0, -1)) do
  local e = entry(c, id)
  if e and e.nonce == ARGV[5] then
    begin()
    found = true
    release(c, id, e)
  end
end
if found then
  save(c)
  wake()
end
finish()
return { 'ok' }
