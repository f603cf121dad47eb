-- Removes what a torn append-only file may have restored, once per run of the server.
--
-- A script's writes are one transaction in the append-only file. A server that is killed while it
-- writes the transaction truncates the rest at its restart, but back to MULTI only if the file ends
-- between two commands (`loadSingleAppendOnlyFile` in Redis 7.0; Valkey fixed it in pull request
-- 4342). Otherwise the next restart finds the beginning of the transaction again, and everything up
-- to the next EXEC belongs to it: it is executed, or lost if no EXEC follows.
--
-- Therefore the first access to a topic after a restart writes a transaction of its own, before any
-- acknowledgement: nothing after it can be lost with the torn one. It records two ids between which
-- the stream has no entry. An entry found there after the next restart was restored: it is removed
-- unless the record of its idempotency key names it. If the topic was not accessed meanwhile, the
-- restored entry is the newest. It is removed only if its record should exist and does not: a record
-- that names another entry is of a key that was reused after its end, and a server that evicts keys
-- may have evicted the record. New entries get greater ids, even if the clock of the server goes back.
--
-- The fence may be torn itself, so each beginning of its writes must be harmless. It raises the last
-- id without an entry, which could be restored without its removal. A missing stream stays so: its first
-- entry gets a later id. Two HSET make it a transaction in every case.
--
-- Scripts that change consumers count in `begun` and `done`: see consumers/common.lua. The fence notes
-- `begun` as `base` and sets `done` to 0. If `begun` is not `base` and `done` together after a restart,
-- a torn script was restored, and the sorted sets of all consumers are rebuilt from their entries.
--
-- One script: between the check and the record of the ids no append may happen.
--
-- KEYS, ARGV[1] as consumers/common.lua; ARGV[2] prefix of the keys of idempotency records, ARGV[3]
-- field of an entry with its idempotency key, ARGV[4] `1` to fence a topic that does not exist yet
-- Returns 1 if the topic is fenced, 0 if it does not exist.

-- Step 1: return if this run of the server has fenced the topic, or there is nothing to fence.
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
run = string.sub(run, 1, 16)
local last = redis.call('HMGET', fence, 'run', 'after', 'before', 'begun', 'base', 'done', 'born', 'kept')
-- Earlier versions wrote the whole id.
if last[1] and string.sub(last[1], 1, 16) == run then
  return 1
end
local exists = redis.call('EXISTS', stream) == 1
if not exists and ARGV[4] ~= '1' and redis.call('EXISTS', registry) == 0 then
  return 0
end

-- Step 2: remove restored entries: the newest, and those between the ids of the last fence.
local function evicts()
  local memory = redis.call('INFO', 'memory')
  return not (string.find(memory, 'maxmemory:0\r', 1, true)
    or string.find(memory, 'maxmemory_policy:noeviction', 1, true))
end
-- Removes the entries of a batch: `count` of them, with consecutive ids from `first` on.
local function remove_batch(first, count)
  local ms, sequence = string.match(first, '^(%d+)-(%d+)$')
  for number = 0, count - 1 do
    redis.call('XDEL', stream, ms .. '-' .. string.format('%.0f', sequence + number))
  end
end
-- The last entry whose record was written with it. The newest entry is whole up to there, also if the server
-- has forgotten the record because its clock jumped.
local kept = last[8] and padded(last[8]) or ZERO
local function check(message, is_fenced)
  if not is_fenced and padded(message[1]) <= kept then
    return
  end
  local count = 1
  for i = 1, #message[2], 2 do
    if message[2][i] == 'batch' then
      count = tonumber(message[2][i + 1])
    end
  end
  for i = 1, #message[2], 2 do
    if message[2][i] == ARGV[3] then
      local ends, key = string.match(message[2][i + 1], '^(%d+) (.*)$')
      local record = key and redis.call('GET', ARGV[2] .. key)
      local is_torn
      if is_fenced and record then
        is_torn = string.match(record, '^[%d-]+') ~= message[1]
      elseif key and not record then
        is_torn = is_fenced or now < tonumber(ends) and not evicts()
      end
      if is_torn then
        remove_batch(message[1], count)
      end
    end
  end
end
local after, born = '0-0', nil
if exists then
  for _, message in ipairs(redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)) do
    check(message, false)
  end
  local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
  born = first and first[1]
  local from, to = last[2] or '0-0', last[3] or last[7]
  if last[1] and to then
    local between = redis.call('XRANGE', stream, '(' .. from, '(' .. to, 'COUNT', 100)
    for _, message in ipairs(between) do
      check(message, true)
    end
  end
  local info = redis.call('XINFO', 'STREAM', stream)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      after = info[i + 1]
    end
  end
  -- The stream has no TTL. But a full server accepts PERSIST as the first write of a script, and then
  -- every other write: without it no message could be deleted there.
  redis.call('PERSIST', stream)
end

-- A note of a batch (see append_batch.lua) is of a beginning without an end: its entries are removed,
-- and its record, then the note.
local notes = redis.call('HGETALL', fence)
for i = 1, #notes, 2 do
  local first = string.match(notes[i], '^batch:(.+)$')
  if first then
    local count, key = string.match(notes[i + 1], '^(%d+) (.*)$')
    remove_batch(first, tonumber(count))
    local record = key ~= '' and redis.call('GET', ARGV[2] .. key)
    if record and string.match(record, '^[%d-]+') == first then
      redis.call('DEL', ARGV[2] .. key)
    end
    redis.call('HDEL', fence, notes[i])
  end
end

-- Step 3: rebuild the consumers if a script was torn, or was restored although later scripts had not
-- seen its changes. The entries count, but for those behind the cursor: their messages are new.
local function rebuild(name)
  local c = load(name)
  if not c then
    redis.call('SREM', registry, name)
  else
    redis.call('DEL', c.leased, c.due, c.waiting, c.redriven)
    local entries = redis.call('HGETALL', c.entries)
    local copies = {}
    for i = 1, #entries, 2 do
      local id, e = entries[i], decode(entries[i + 1])
      if not e then
        e = { state = 'w', at = now, attempt = 1, nonce = '-', copy = redis.call('HEXISTS', c.letters, id) == 1 }
      end
      if e.copy and redis.call('HEXISTS', c.letters, id) == 0 or not e.copy and id > c.cursor then
        redis.call('HDEL', c.entries, id)
      else
        store(c, id, e)
        if e.copy then
          copies[id] = true
          redis.call('ZREM', c.dead, id)
          redis.call('HDEL', c.deaths, id)
        end
      end
    end
    for _, id in ipairs(redis.call('ZRANGE', c.dead, 0, -1)) do
      if redis.call('HEXISTS', c.letters, id) == 0 or redis.call('HEXISTS', c.deaths, id) == 0 then
        forget_letter(c, id)
      end
    end
    for _, id in ipairs(redis.call('HKEYS', c.letters)) do
      if not copies[id] and not redis.call('ZSCORE', c.dead, id) then
        redis.call('HDEL', c.letters, id)
      end
    end
    c.behind = math.max(0, math.min(c.behind, redis.call('XLEN', stream)))
    redis.call('HSET', c.key, 'behind', c.behind)
  end
end
local begun = tonumber(last[4] or 0)
if begun ~= tonumber(last[5] or 0) + tonumber(last[6] or 0) then
  -- A damaged consumer hides only itself.
  for _, name in ipairs(redis.call('SMEMBERS', registry)) do
    intact(rebuild, name)
  end
end

-- Step 4: open a gap in the ids from the last id to the current time.
local before = after
if now > tonumber(string.match(after, '^%d+')) then
  before = string.format('%.0f-0', now)
  if exists then
    redis.call('XSETID', stream, before)
  end
end

-- Step 5: record the gap, then the run: a torn fence without the run is repeated. A stream without a fence
-- is new, or the server lost everything: it gave no id before its first one. What is not there counts as
-- nothing: most topics have one field for each of the two.
if not exists then
  redis.call('HSET', fence, 'born', before)
elseif not last[1] then
  redis.call('HSET', fence, 'born', born or before, 'after', after, 'before', before)
else
  redis.call('HSET', fence, 'after', after, 'before', before)
end
if begun == 0 then
  redis.call('HSET', fence, 'run', run)
else
  redis.call('HSET', fence, 'run', run, 'base', begun, 'done', 0)
end
return 1
