-- Acknowledges, rejects, extends or releases leases.
--
-- One script: the check of a lease and its end must be one step beside expiry, seek and other calls
-- with the same token.
--
-- KEYS, ARGV[1] to ARGV[4] as pull.lua; ARGV[5] `ack`, `nack`, `extend`, `release`, or `miss` for a
-- message whose record cannot be read; ARGV[6] delay or lease in milliseconds, or empty for the
-- setting; ARGV[7] reason behind `+`, or `-`; then for each lease its id, and its attempt and nonce with
-- a space before, between and behind
-- Returns {'ok', now, end of extended leases, `1` or `0` for each lease}, or {'absent'}.

local c = open(ARGV[4])
if not c then
  return { 'absent' }
end
local op, length = ARGV[5], tonumber(ARGV[6])
local reason = string.sub(ARGV[7], 1, 1) == '+' and string.sub(ARGV[7], 2) or nil
local expires = now + (length or c.lease)
local was_full = redis.call('ZCARD', c.leased) >= c.max_in_flight
local is_shorter = false

-- Step 1: find the valid leases. `open` has ended those that expired. An entry is compared as a text:
-- behind the `l` and the time come the attempt and the nonce.
local valid, ids = {}, {}
for i = 8, #ARGV, 2 do
  ids[#ids + 1] = ARGV[i]
end
local values = #ids > 0 and redis.call('HMGET', c.entries, unpack(ids)) or {}
local leases, settled, copies = {}, {}, {}
for i, id in ipairs(ids) do
  local value, lease = values[i], ARGV[7 + 2 * i]
  local from, to
  if value and string.byte(value) == 108 then
    from, to = string.find(value, lease, 3, true)
  end
  if from and from == string.find(value, ' ', 3, true) then
    valid[i] = 1
    settled[#settled + 1] = id
    leases[#leases + 1] = value
    if string.byte(value, to + 1) == 99 then
      copies[#copies + 1] = id
    end
  else
    valid[i] = 0
  end
end

-- Step 2: end or extend them.
if #settled > 0 then
  begin()
  if op == 'ack' or op == 'miss' then
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
    for i, id in ipairs(settled) do
      local e = decode(leases[i])
      if e then
        fail(c, id, e, now, now + (length or backoff(c, e.attempt)), reason)
      end
    end
    save(c)
  elseif op == 'release' then
    for i, id in ipairs(settled) do
      local e = decode(leases[i])
      if e then
        release(c, id, e)
      end
    end
    save(c)
  else
    for i, id in ipairs(settled) do
      local e = decode(leases[i])
      if e then
        is_shorter = is_shorter or expires < e.at
        e.at = expires
        store(c, id, e)
      end
    end
  end
  -- An acknowledgement lets a pull hand out more only where the limit held it back. A shorter lease may end
  -- before the next change that the waiting pulls of other processes know of.
  if op == 'nack' or op == 'release' or is_shorter or (op ~= 'extend' and was_full) then
    wake()
  end
end
finish()
return { 'ok', expires, unpack(valid) }
