-- Leases what is due, and then new messages.
--
-- One script: two workers must not get one message, and the cursor and the leases that it leaves
-- behind must change together.
--
-- KEYS, ARGV[1] as common.lua; ARGV[2] channel of announcements, ARGV[3] topic, ARGV[4] consumer,
-- ARGV[5] most messages, ARGV[6] lease in milliseconds or empty, ARGV[7] nonce
-- Returns {'ok', end of the leases, 1 if there is more, milliseconds until the next due time or -1,
-- redelivered messages as {id, attempt, fields}, new messages as {id, fields}}, or {'absent'}.

local c = open(ARGV[4])
if not c then
  return { 'absent' }
end
begin()
local expires = now + (tonumber(ARGV[6]) or c.lease)
local nonce = ARGV[7]
local capacity = math.max(0, c.max_in_flight - redis.call('ZCARD', c.leased))
local limit = math.min(tonumber(ARGV[5]), capacity)
local messages = {}

-- Step 1: redeliveries that are due, by due time and then by id.
while #messages < limit do
  local ids = redis.call('ZRANGEBYSCORE', c.due, '-inf', now, 'LIMIT', 0, limit - #messages)
  if #ids == 0 then
    break
  end
  for _, id in ipairs(ids) do
    local e = entry(c, id)
    local copy = e.copy and redis.call('HGET', c.letters, id)
    local fields
    if copy then
      fields = cmsgpack.unpack(copy)
    else
      fields = held(id)
    end
    if fields then
      unindex(c, id, e)
      e.state, e.at, e.nonce = 'l', expires, nonce
      store(c, id, e)
      messages[#messages + 1] = { id, e.attempt, fields }
    else
      c.missed = c.missed + 1
      drop(c, id, e)
    end
  end
end

-- Step 2: new messages. Their entries are equal. A record without a text cannot be read: it is stepped
-- over.
local value = encode({ state = 'l', at = expires, attempt = 1, nonce = nonce })
local score = text(expires)
local new, entries, leased = {}, {}, {}
while #messages + #new < limit do
  local wanted = limit - #messages - #new
  local found = redis.call('XRANGE', stream, '(' .. c.cursor, '+', 'COUNT', wanted)
  for _, message in ipairs(found) do
    local id, fields = padded(message[1]), message[2]
    local readable = false
    for i = 1, #fields, 2 do
      if fields[i] == 'content' then
        readable = true
        break
      end
    end
    if readable then
      local place = 2 * #new
      entries[place + 1], entries[place + 2] = id, value
      leased[place + 1], leased[place + 2] = score, id
      new[#new + 1] = message
    else
      c.missed = c.missed + 1
    end
    c.cursor, c.behind = id, c.behind + 1
  end
  if #found < wanted then
    -- Everything that the topic holds is behind the cursor. The count is right already, unless a torn
    -- append-only file restored a message there.
    c.behind = redis.call('XLEN', stream)
    break
  end
end

-- Step 3: write the entries before the cursor passes their messages, else a torn file could lose them.
if #entries > 0 then
  redis.call('HSET', c.entries, unpack(entries))
  redis.call('ZADD', c.leased, unpack(leased))
end
c.pulled = now
save(c)
finish()

-- Step 4: what another pull would find, now and later.
local due = redis.call('ZCOUNT', c.due, '-inf', now)
local unseen = redis.call('XLEN', stream) - c.behind
local more = #messages + #new < capacity and (due > 0 or unseen > 0)
local next_due = -1
local first_due = redis.call('ZRANGEBYSCORE', c.due, '(' .. text(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
local first_end = redis.call('ZRANGE', c.leased, 0, 0, 'WITHSCORES')[2]
for _, at in ipairs({ first_due or first_end, first_end or first_due }) do
  local wait = tonumber(at) - now
  if next_due < 0 or wait < next_due then
    next_due = wait
  end
end
return { 'ok', expires, more and 1 or 0, next_due, messages, new }
