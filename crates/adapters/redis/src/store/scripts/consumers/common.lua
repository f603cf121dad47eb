-- Functions of all scripts that change consumers. Each of those scripts is this file and its own.
--
-- KEYS[1] stream of messages, KEYS[2] fence, KEYS[3] mark of the newest removed id, KEYS[4] set of
-- consumers; all are in the slot of the topic, as are the keys of a consumer, which begin with
-- ARGV[1] and the name of the consumer.
--
-- Ids have leading zeros (15 digits, 20 digits), so that they sort as texts; Redis accepts them.
--
-- Torn append-only file (see fence.lua): the first write of a script counts in `begun`, its last one
-- in `done`. If they do not agree after a restart, the fence rebuilds what is derived: the sorted sets
-- from the entries. So the order of writes must keep every beginning harmless: an entry is written
-- before the cursor passes its message, and all state of a consumer changes in one command.

local stream, fence, mark, registry = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local base = ARGV[1]
local ZERO = '000000000000000-00000000000000000000'
local MAX_COPIES, MAX_ATTEMPT = 10000, 1000

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- The text of an integer. Redis formats a number itself as a float, which takes longer than most commands.
local function text(number)
  return string.format('%d', number)
end
local now_text = text(now)

local function padded(id)
  local dash = string.find(id, '-', 1, true)
  return string.sub(ZERO, dash, 15) .. string.sub(id, 1, dash) .. string.sub(ZERO, 17 + #id - dash)
    .. string.sub(id, dash + 1)
end

local writing = false
local function begin()
  if not writing then
    writing = true
    -- A full server accepts PERSIST as the first write of a script, and then every other write:
    -- without it no message could be acknowledged, deleted or pruned there.
    redis.call('PERSIST', stream)
    redis.call('HINCRBY', fence, 'begun', '1')
  end
end

local function finish()
  if writing then
    redis.call('HINCRBY', fence, 'done', '1')
  end
end

-- The newest id that retention removed: a message up to it that is not held is missed.
local pruned_up_to
local function is_pruned(id)
  pruned_up_to = pruned_up_to or padded(redis.call('GET', mark) or ZERO)
  return id <= pruned_up_to
end

-- A field of the stream's state; nil if there is no stream, or the server does not have the field.
local function stream_state(name)
  if redis.call('EXISTS', stream) == 1 then
    local info = redis.call('XINFO', 'STREAM', stream)
    for i = 1, #info, 2 do
      if info[i] == name then
        return info[i + 1]
      end
    end
  end
end

-- The newest id that the topic has given.
local function newest()
  local last = stream_state('last-generated-id')
  return last and padded(last) or ZERO
end

-- The number of messages that were removed from the stream; nil before Redis 7. While it stays, the
-- number of messages up to an id stays too.
local function removed_so_far()
  local added = stream_state('entries-added')
  return added and text(added - redis.call('XLEN', stream))
end

-- The fields of a message that the topic holds. A damaged id is of none.
local function held(id)
  local entry = string.find(id, '^%d+%-%d+$') and redis.call('XRANGE', stream, id, id)[1]
  return entry and entry[2]
end

-- The first messages of a range, at most `count`, in small portions: Redis copies what it reads, and serves nobody
-- else meanwhile. None is read behind MAX_READ_BYTES of them, but at least two: then the second result is true.
local MAX_READ_BYTES = 4194304
local function read_range(from, to, count)
  local messages, bytes = {}, 0
  while #messages < count and bytes < MAX_READ_BYTES do
    local most = math.min(16, count - #messages)
    local portion = redis.call('XRANGE', stream, from, to, 'COUNT', text(most))
    for _, message in ipairs(portion) do
      messages[#messages + 1] = message
      for _, field in ipairs(message[2]) do
        bytes = bytes + #field
      end
    end
    if #portion < most then
      return messages, false
    end
    from = '(' .. portion[most][1]
  end
  return messages, #messages < count
end

-- Counts the messages up to `cursor` from both ends of the stream at once: its cost is the smaller of
-- the two numbers. `p` is the progress: `below` and `above` are counted, `front` and `back` the ids next
-- to them. Returns the number, or nil after `budget` messages.
local function count_on(p, cursor, length, budget)
  while budget > 0 do
    local chunk = redis.call('XREVRANGE', stream, p.back, '(' .. cursor, 'COUNT', 500)
    p.above = p.above + #chunk
    if #chunk < 500 then
      return length - p.above
    end
    p.back = '(' .. chunk[#chunk][1]
    chunk = redis.call('XRANGE', stream, p.front, cursor, 'COUNT', 500)
    p.below = p.below + #chunk
    if #chunk < 500 then
      return p.below
    end
    p.front = '(' .. chunk[#chunk][1]
    budget = budget - 1000
  end
end

-- The number of messages up to `cursor`. ARGV[i] is the most messages to count, or empty; the three
-- arguments behind it are empty or a result of count.lua: cursor, removed messages, number. Returns nil if
-- count.lua must count. Before Redis 7 it cannot: this counts everything then, and nothing else is done
-- meanwhile.
local function count_to(cursor, i)
  if cursor == ZERO then
    return 0
  end
  local removed = removed_so_far()
  if cursor == ARGV[i + 1] and removed and removed == ARGV[i + 2] then
    return tonumber(ARGV[i + 3])
  end
  local budget = removed and tonumber(ARGV[i]) or math.huge
  local progress = { below = 0, above = 0, front = '-', back = '+' }
  return count_on(progress, cursor, redis.call('XLEN', stream), budget)
end

-- The cursor of a position; nil for a position in the future.
local function cursor_of(kind, id)
  local last = newest()
  local cursor = kind == 'newest' and last or id
  if cursor <= last then
    return cursor
  end
  if tonumber(string.sub(cursor, 1, 15)) > now then
    return nil
  end
  return last
end

-- The keys of an epoch. A seek starts a new epoch with empty keys instead of deleting the old ones,
-- so that a torn seek cannot delete entries of the epoch that is still current.
local function epoch_keys(key, epoch)
  local prefix = key .. ':' .. text(epoch) .. ':'
  return prefix .. 'entries', prefix .. 'leased', prefix .. 'due', prefix .. 'waiting', prefix .. 'redriven'
end

local function set_epoch(c, epoch)
  c.epoch = epoch
  c.entries, c.leased, c.due, c.waiting, c.redriven = epoch_keys(c.key, epoch)
end

-- The keys of a consumer that are not of an epoch.
local function keys_of(name)
  local key = base .. name
  return {
    key = key,
    dead = key .. ':dead',
    deaths = key .. ':deaths',
    letters = key .. ':letters',
    attempts = key .. ':attempts',
  }
end

-- Removes all keys of a consumer but its hash.
local function unlink_all(c)
  redis.call('UNLINK', c.entries, c.leased, c.due, c.waiting, c.redriven, c.dead, c.deaths, c.letters, c.attempts)
end

-- The state of a consumer; nil if it does not exist.
local function load(name)
  local c = keys_of(name)
  local values = redis.call('HMGET', c.key, 'tag', 'lease', 'max_attempts', 'backoff', 'max_in_flight',
    'epoch', 'cursor', 'behind', 'missed', 'dropped', 'pulled', 'stale', 'disabled')
  if not values[1] then
    return nil
  end
  c.tag = values[1]
  c.lease = tonumber(values[2])
  c.max_attempts = tonumber(values[3])
  c.backoff = values[4]
  c.max_in_flight = tonumber(values[5])
  c.cursor = values[7]
  c.behind = tonumber(values[8])
  c.missed = tonumber(values[9])
  c.dropped = tonumber(values[10])
  c.pulled = tonumber(values[11])
  c.stale = values[12]
  c.disabled = values[13]
  local epoch = tonumber(values[6])
  if not (c.lease and c.max_attempts and c.backoff and c.max_in_flight and epoch and c.cursor and c.behind
    and c.missed and c.dropped and c.pulled) then
    error('attempt to use a damaged consumer', 0)
  end
  set_epoch(c, epoch)
  return c
end

-- Writes all state in one command, and further fields of the hash. Also what did not change: a torn script
-- that changed it may be restored before this one.
local function save(c, ...)
  begin()
  redis.call('HSET', c.key, 'epoch', text(c.epoch), 'cursor', c.cursor, 'behind', text(c.behind),
    'missed', text(c.missed), 'dropped', text(c.dropped), 'pulled', text(c.pulled), ...)
end

-- An entry: state `l` (leased) or `w` (waiting), end of the lease or due time, attempt (of the lease,
-- or the next one), nonce, flags `c` (has a copy) and `d` (deleted by a client while leased), reason
-- behind `+`, or `-`. Nil for a damaged one.
local function decode(value)
  local state, at, attempt, nonce, flags, sign, reason =
    string.match(value, '^([lw]) (%d+) (%d+) (%S+) (%S+) ([+-])(.*)$')
  attempt = tonumber(attempt or 0)
  if attempt < 1 or attempt > MAX_ATTEMPT then
    return nil
  end
  return {
    state = state,
    at = tonumber(at),
    attempt = attempt,
    nonce = nonce,
    copy = string.find(flags, 'c', 1, true) ~= nil,
    deleted = string.find(flags, 'd', 1, true) ~= nil,
    reason = sign == '+' and reason or nil,
  }
end

local function signed(reason)
  return reason and '+' .. reason or '-'
end

local function encode(e)
  local flags = (e.copy and 'c' or '') .. (e.deleted and 'd' or '')
  return table.concat({
    e.state, text(e.at), text(e.attempt), e.nonce, flags == '' and '-' or flags, signed(e.reason),
  }, ' ')
end

-- Writes an entry, first itself and then its places in the sorted sets, which are derived.
local function store(c, id, e)
  redis.call('HSET', c.entries, id, encode(e))
  if e.state == 'l' then
    redis.call('ZADD', c.leased, text(e.at), id)
  else
    redis.call('ZADD', c.due, text(e.at), id)
    redis.call('ZADD', e.copy and c.redriven or c.waiting, '0', id)
  end
end

local function unlist(c, id)
  for _, set in ipairs({ c.leased, c.due, c.waiting, c.redriven }) do
    redis.call('ZREM', set, id)
  end
end

-- The entry of a message; nil if there is none. In place of a damaged one the message waits for its first
-- attempt, so that it hides only itself and no message is lost.
local function entry(c, id)
  local value = redis.call('HGET', c.entries, id)
  local e = value and decode(value)
  if e or not value then
    return e or nil
  end
  begin()
  unlist(c, id)
  local has_copy = redis.call('HEXISTS', c.letters, id) == 1 and not redis.call('ZSCORE', c.dead, id)
  if not has_copy and not held(id) then
    redis.call('HDEL', c.entries, id)
    return nil
  end
  e = { state = 'w', at = now, attempt = 1, nonce = '-', copy = has_copy }
  store(c, id, e)
  return e
end

-- The fields of a copy; nil for a damaged one.
local function unpacked(copy)
  local succeeded, fields = pcall(cmsgpack.unpack, copy)
  return succeeded and type(fields) == 'table' and fields or nil
end

local function unindex(c, id, e)
  if e.state == 'l' then
    redis.call('ZREM', c.leased, id)
  else
    redis.call('ZREM', c.due, id)
    redis.call('ZREM', e.copy and c.redriven or c.waiting, id)
  end
end

-- Ends an entry: its message is settled, or counted by the caller.
local function drop(c, id, e)
  unindex(c, id, e)
  redis.call('HDEL', c.entries, id)
  if e.copy then
    redis.call('HDEL', c.letters, id)
  end
end

local function forget_letter(c, id)
  redis.call('ZREM', c.dead, id)
  redis.call('HDEL', c.deaths, id)
  redis.call('HDEL', c.letters, id)
end

-- Makes a dead letter of an entry.
local function bury(c, id, e, at, reason)
  if not e.copy then
    local fields = held(id)
    if not fields then
      c.missed = c.missed + 1
      return drop(c, id, e)
    end
    redis.call('HSET', c.letters, id, cmsgpack.pack(fields))
  end
  redis.call('HSET', c.deaths, id, table.concat({ text(e.attempt), text(at), signed(reason) }, ' '))
  redis.call('ZADD', c.dead, 0, id)
  unindex(c, id, e)
  redis.call('HDEL', c.entries, id)
  while redis.call('HLEN', c.letters) > MAX_COPIES do
    local first = redis.call('ZRANGE', c.dead, 0, 0)[1]
    if not first then
      break
    end
    forget_letter(c, first)
    c.dropped = c.dropped + 1
  end
end

-- Ends a lease that was not acknowledged.
local function fail(c, id, e, at, due, reason)
  if e.deleted then
    return drop(c, id, e)
  end
  if not e.copy and is_pruned(id) then
    c.missed = c.missed + 1
    return drop(c, id, e)
  end
  if e.attempt >= c.max_attempts then
    return bury(c, id, e, at, reason)
  end
  unindex(c, id, e)
  e.state, e.at, e.nonce, e.reason = 'w', due, '-', reason
  e.attempt = math.min(e.attempt + 1, MAX_ATTEMPT)
  store(c, id, e)
end

-- Ends a lease as if it had not been granted.
local function release(c, id, e)
  if e.deleted then
    return drop(c, id, e)
  end
  if not e.copy and is_pruned(id) then
    c.missed = c.missed + 1
    return drop(c, id, e)
  end
  -- The attempt did not happen: the next one has its number.
  unindex(c, id, e)
  e.state, e.at, e.nonce = 'w', now, '-'
  store(c, id, e)
end

local function backoff(c, attempt)
  local wait, number = 0, 0
  for millis in string.gmatch(c.backoff, '%d+') do
    wait, number = millis, number + 1
    if number == attempt then
      break
    end
  end
  return tonumber(wait)
end

-- The end of the lease that ends first; nil without a lease.
local function first_end(c)
  return tonumber(redis.call('ZRANGE', c.leased, '0', '0', 'WITHSCORES')[2])
end

-- Loads a consumer for a change: deletes the keys of the epoch before the last seek, and brings the
-- leases to the present.
local function open(name)
  local c = load(name)
  if not c then
    return nil
  end
  if c.stale then
    begin()
    -- A restored seek may have left the epoch that later steps went on with.
    if tonumber(c.stale) ~= c.epoch then
      redis.call('UNLINK', epoch_keys(c.key, tonumber(c.stale)))
    end
    redis.call('HDEL', c.key, 'stale')
  end
  c.first_end = first_end(c)
  if c.first_end and c.first_end <= now then
    begin()
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', c.leased, '-inf', now_text)) do
      local e = entry(c, id)
      if e and e.state == 'l' then
        fail(c, id, e, e.at, e.at + backoff(c, e.attempt), 'lease expired')
      else
        redis.call('ZREM', c.leased, id)
      end
    end
    save(c)
    c.first_end = first_end(c)
  end
  return c
end

-- The result of a call; false if what it reads is damaged. Every other error ends the script.
local function intact(call, ...)
  local succeeded, result = pcall(call, ...)
  if succeeded then
    return result
  end
  local reason = type(result) == 'table' and result.err or tostring(result)
  for _, sign in ipairs({ 'WRONGTYPE', 'Invalid stream ID', 'attempt to ', 'bad argument' }) do
    if string.find(reason, sign, 1, true) then
      return false
    end
  end
  error(result, 0)
end

-- Opens a consumer for a step that changes others too: what is damaged of it must show before the step.
local function open_whole(name)
  local c = open(name)
  for key_type, keys in pairs({
    hash = c and { c.entries, c.deaths, c.letters },
    zset = c and { c.leased, c.due, c.waiting, c.redriven, c.dead },
  }) do
    for _, key in ipairs(keys) do
      local found = redis.call('TYPE', key).ok
      if found ~= key_type and found ~= 'none' then
        error('attempt to use a damaged consumer', 0)
      end
    end
  end
  return c
end

-- A damaged consumer blocks nothing around it: it is left out.
local function open_all()
  local all = {}
  for _, name in ipairs(redis.call('SMEMBERS', registry)) do
    all[#all + 1] = intact(open_whole, name) or nil
  end
  return all
end

-- Opens each consumer whose name begins with `beginning`, which is its kind, and returns what `read` returns for
-- it, by the rest of the name; false for a damaged one.
local function read_kind(beginning, read)
  local results = {}
  for _, name in ipairs(redis.call('SMEMBERS', registry)) do
    if string.sub(name, 1, #beginning) == beginning then
      results[string.sub(name, #beginning + 1)] = intact(function()
        local c = open(name)
        return c and read(c)
      end)
    end
  end
  return results
end

-- Wakes the waiting pulls of the consumer, in all processes.
local function wake()
  redis.call('PUBLISH', ARGV[2], ARGV[3] .. '/' .. ARGV[4])
end

-- Wakes the subscriptions to the set of webhooks, in all processes.
local function wake_webhooks()
  redis.call('PUBLISH', ARGV[2] .. ':webhooks', '')
end

-- The fields of a webhook's record and of its health.
local WEBHOOK = {
  'url', 'timeout', 'rate', 'format', 'sealed', 'born',
  'disabled', 'last_success_at', 'last_failure_at', 'failing_since', 'last_failed', 'last_error',
}

-- The record and the health of a webhook, by position, as the reply to the client, and by name; nil for
-- a consumer without a record. A field that is not there is false.
local function webhook(c)
  local values = redis.call('HMGET', c.key, unpack(WEBHOOK))
  if not values[1] then
    return nil
  end
  for i, field in ipairs(WEBHOOK) do
    values[field] = values[i]
  end
  return values
end

-- As `webhook`, of the incarnation `of` only. A webhook of an earlier version has none, which counts as 0.
local function webhook_of(c, of)
  local values = webhook(c)
  return values and (values.born or '0') == of and values or nil
end

-- Settings and counts, as the reply to the client.
local function status(c)
  local oldest = redis.call('XRANGE', stream, '(' .. c.cursor, '+', 'COUNT', 1)[1]
  oldest = oldest and padded(oldest[1])
  for _, set in ipairs({ c.waiting, c.redriven }) do
    local id = redis.call('ZRANGE', set, 0, 0)[1]
    if id and (not oldest or id < oldest) then
      oldest = id
    end
  end
  return {
    c.tag, c.lease, c.max_attempts, c.backoff, c.max_in_flight,
    -- A stream that was evicted or removed by hand is shorter than what the consumer has behind it.
    math.max(0, redis.call('XLEN', stream) - c.behind) + redis.call('ZCARD', c.due),
    redis.call('ZCARD', c.leased), redis.call('ZCARD', c.dead), c.missed, c.dropped,
    oldest or '', c.pulled,
  }
end

-- RFC 9110, 13.1; `tag` is nil for a consumer that does not exist.
local function holds(kind, tags, tag)
  if kind == 'exists' then
    return tag ~= nil
  elseif kind == 'absent' then
    return tag == nil
  end
  local listed = tag ~= nil and string.find(' ' .. tags .. ' ', ' ' .. tag .. ' ', 1, true) ~= nil
  if kind == 'matches' then
    return listed
  elseif kind == 'differs' then
    return not listed
  end
  return true
end

