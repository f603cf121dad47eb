-- Acknowledges, rejects or extends leases.
--
-- One script: the check of a lease and its end must be one step beside expiry, seek and other calls
-- with the same token.
--
-- KEYS, ARGV[1] to ARGV[4] as pull.lua; ARGV[5] `ack`, `nack`, `extend`, or `miss` for a message whose
-- record cannot be read; ARGV[6] delay or lease in milliseconds, or empty for the setting; ARGV[7]
-- reason behind `+`, or `-`; then for each lease its id, attempt and nonce
-- Returns {'ok', now, end of extended leases, `1` or `0` for each lease}, or {'absent'}.

local c = open(ARGV[4])
if not c then
  return { 'absent' }
end
local op, value = ARGV[5], tonumber(ARGV[6])
local reason = string.sub(ARGV[7], 1, 1) == '+' and string.sub(ARGV[7], 2) or nil
local expires = now + (value or c.lease)
local was_full = redis.call('ZCARD', c.leased) >= c.max_in_flight

-- Step 1: find the valid leases. `open` has ended those that expired.
local valid, ids = {}, {}
for i = 8, #ARGV, 3 do
  ids[#ids + 1] = ARGV[i]
end
local values = #ids > 0 and redis.call('HMGET', c.entries, unpack(ids)) or {}
local leases = {}
for i, id in ipairs(ids) do
  local e = values[i] and decode(values[i])
  local is_valid = e and e.state == 'l' and e.attempt == tonumber(ARGV[6 + 3 * i])
    and e.nonce == ARGV[7 + 3 * i]
  valid[i] = is_valid and 1 or 0
  if is_valid then
    leases[#leases + 1] = { id, e }
  end
end

-- Step 2: end or extend them.
if #leases > 0 then
  begin()
  if op == 'ack' or op == 'miss' then
    local settled, copies = {}, {}
    for _, lease in ipairs(leases) do
      settled[#settled + 1] = lease[1]
      if lease[2].copy then
        copies[#copies + 1] = lease[1]
      end
    end
    redis.call('ZREM', c.leased, unpack(settled))
    redis.call('HDEL', c.entries, unpack(settled))
    if #copies > 0 then
      redis.call('HDEL', c.letters, unpack(copies))
    end
    if op == 'miss' then
      c.missed = c.missed + #settled
      save(c)
    end
  elseif op == 'nack' then
    for _, lease in ipairs(leases) do
      local id, e = lease[1], lease[2]
      fail(c, id, e, now, now + (value or backoff(c, e.attempt)), reason)
    end
    save(c)
  else
    for _, lease in ipairs(leases) do
      lease[2].at = expires
      store(c, lease[1], lease[2])
    end
  end
  -- An acknowledgement lets a pull hand out more only where the limit held it back.
  if op ~= 'extend' and (op == 'nack' or was_full) then
    wake()
  end
end
finish()
return { 'ok', expires, unpack(valid) }
