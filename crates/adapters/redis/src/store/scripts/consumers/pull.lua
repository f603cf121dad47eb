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

-- The bytes of the fields, which end the pull behind its first message. `is_full` is set by the first one that
-- does not fit.
local MAX_BYTES, bytes, is_full = 262144, 0, false
local function admits(fields)
  local more = 0
  for _, field in ipairs(fields) do
    more = more + #field
  end
  is_full = bytes > 0 and bytes + more > MAX_BYTES
  bytes = bytes + more
  return not is_full
end

-- Step 1: redeliveries that are due, by due time and then by id.
local has_due = redis.call('ZCARD', c.due) > 0
while has_due and not is_full and #messages < limit do
  local most = text(limit - #messages)
  local ids = redis.call('ZRANGEBYSCORE', c.due, '-inf', now_text, 'LIMIT', '0', most)
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
    if fields and not admits(fields) then
      break
    elseif fields then
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
while not is_full and #messages + #new < limit do
  local wanted = limit - #messages - #new
  local found = redis.call('XRANGE', stream, '(' .. c.cursor, '+', 'COUNT', text(wanted))
  for _, message in ipairs(found) do
    local id, fields = padded(message[1]), message[2]
    local readable = false
    for i = 1, #fields, 2 do
      if fields[i] == 'content' then
        readable = true
        break
      end
    end
    if readable and not admits(fields) then
      break
    elseif readable then
      local place = 2 * #new
      entries[place + 1], entries[place + 2] = id, value
      leased[place + 1], leased[place + 2] = score, id
      new[#new + 1] = message
    else
      c.missed = c.missed + 1
    end
    c.cursor, c.behind = id, c.behind + 1
  end
  if #found < wanted and not is_full then
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
local due, next_change = 0, c.first_end
if #messages + #new > 0 then
  next_change = math.min(expires, next_change or expires)
end
if has_due then
  due = redis.call('ZCOUNT', c.due, '-inf', now_text)
  local first = redis.call('ZRANGEBYSCORE', c.due, '(' .. now_text, '+inf', 'WITHSCORES', 'LIMIT', '0', '1')[2]
  if first then
    next_change = math.min(tonumber(first), next_change or math.huge)
  end
end
local more = false
if #messages + #new < capacity then
  more = due > 0 or redis.call('XLEN', stream) > c.behind
end
local wait = next_change and next_change - now or -1
return { 'ok', expires, more and 1 or 0, wait, messages, new }
