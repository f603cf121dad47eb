-- Leases what is due, and then new messages.
--
-- One script: two workers must not get one message, and the cursor and the leases that it leaves
-- behind must change together.
--
-- A call is for one pull or several of one consumer, which get their messages one after the other.
--
-- KEYS, ARGV[1] as common.lua; ARGV[2] channel of announcements, ARGV[3] topic, ARGV[4] consumer; ARGV[5] most
-- bytes of a pull; then for each pull the most messages, the lease in milliseconds or empty, and the nonce
-- Returns {'ok', and for each pull: end of the leases, 1 if there is more, milliseconds until the next due
-- time or -1, redelivered messages as {id, attempt, fields}, new messages as {id, fields}}, or {'absent'}. Of
-- those whose fields hold no message the caller reports the leases with update.lua, as `miss`.

local c = open(ARGV[4])
if not c then
  return { 'absent' }
end
begin()
local capacity = math.max(0, c.max_in_flight - redis.call('ZCARD', c.leased))
-- A disabled webhook hands out nothing, also to a process that does not know of it yet; nothing is due before
-- it is enabled, which wakes its watchers.
if c.disabled then
  capacity, c.first_end = 0, nil
end

-- The bytes of the fields, which end a pull behind its first message. `is_full` is set by the first one that
-- does not fit.
local max_bytes, bytes, is_full = tonumber(ARGV[5]), 0, false
local function admits(fields)
  local more = 0
  for _, field in ipairs(fields) do
    more = more + #field
  end
  is_full = bytes > 0 and bytes + more > max_bytes
  bytes = bytes + more
  return not is_full
end

-- Step 1 of a pull: redeliveries that are due, by due time and then by id.
local has_due = not c.disabled and redis.call('ZCARD', c.due) > 0
local function redeliver(limit, expires, nonce)
  local messages = {}
  while has_due and not is_full and #messages < limit do
    local most = text(limit - #messages)
    local ids = redis.call('ZRANGEBYSCORE', c.due, '-inf', now_text, 'LIMIT', '0', most)
    if #ids == 0 then
      break
    end
    for _, id in ipairs(ids) do
      local e = entry(c, id)
      local copy = e and e.copy and redis.call('HGET', c.letters, id)
      local fields
      if copy then
        fields = unpacked(copy) or {}
      else
        fields = held(id)
      end
      if not e then
        unlist(c, id)
      elseif fields and not admits(fields) then
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
  return messages
end

-- Messages behind the cursor that are read and not handed out yet: the pulls of a call share one read, which
-- costs more than short messages. `wanted` is how many they still ask for. Of long messages few of a read fit.
local MAX_READ = 16
local read, place, read_up_to, wanted = {}, 1, c.cursor, 0
for i = 6, #ARGV, 3 do
  wanted = wanted + tonumber(ARGV[i])
end
local function next_message()
  if place > #read and read_up_to then
    local count = math.max(1, math.min(wanted, capacity, MAX_READ))
    read = redis.call('XRANGE', stream, '(' .. read_up_to, '+', 'COUNT', text(count))
    place, read_up_to = 1, #read == count and read[count][1]
  end
  return read[place]
end

-- Step 2 of a pull: new messages. Their entries are equal.
local entries, leased = {}, {}
local function hand_out(limit, expires, nonce)
  local value = encode({ state = 'l', at = expires, attempt = 1, nonce = nonce })
  local score = text(expires)
  local new = {}
  while not is_full and #new < limit do
    local message = next_message()
    if not message then
      -- Everything that the topic holds is behind the cursor. The count is right already, unless a torn
      -- append-only file restored a message there.
      c.behind = redis.call('XLEN', stream)
      break
    end
    local id, fields = padded(message[1]), message[2]
    if not admits(fields) then
      break
    end
    local last = #entries
    entries[last + 1], entries[last + 2] = id, value
    leased[last + 1], leased[last + 2] = score, id
    new[#new + 1] = message
    place = place + 1
    c.cursor, c.behind = id, c.behind + 1
  end
  return new
end

local pulls, next_change = {}, c.first_end
for i = 6, #ARGV, 3 do
  local expires = now + (tonumber(ARGV[i + 1]) or c.lease)
  local nonce = ARGV[i + 2]
  local asked = tonumber(ARGV[i])
  local limit = math.min(asked, capacity)
  bytes, is_full = 0, false
  local messages = redeliver(limit, expires, nonce)
  local new = hand_out(limit - #messages, expires, nonce)
  capacity, wanted = capacity - #messages - #new, wanted - asked
  if #messages + #new > 0 then
    next_change = math.min(expires, next_change or expires)
  end
  pulls[#pulls + 1] = { expires, messages, new }
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
local due = 0
if has_due then
  due = redis.call('ZCOUNT', c.due, '-inf', now_text)
  local first = redis.call('ZRANGEBYSCORE', c.due, '(' .. now_text, '+inf', 'WITHSCORES', 'LIMIT', '0', '1')[2]
  if first then
    next_change = math.min(tonumber(first), next_change or math.huge)
  end
end
local more = false
if capacity > 0 then
  more = due > 0 or redis.call('XLEN', stream) > c.behind
end
local wait = next_change and next_change - now or -1
local reply = { 'ok' }
for i, pull in ipairs(pulls) do
  local place = 5 * i - 3
  reply[place], reply[place + 1], reply[place + 2] = pull[1], more and 1 or 0, wait
  reply[place + 3], reply[place + 4] = pull[2], pull[3]
end
return reply
