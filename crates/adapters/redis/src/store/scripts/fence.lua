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
-- id without an entry, which could be restored without its removal. It creates a missing stream with
-- a consumer group; a group that a torn fence left has no effect. Two HSET make it a transaction in
-- every case.
--
-- One script: between the check and the record of the ids no append may happen.
--
-- KEYS[1] stream of messages, KEYS[2] fence
-- ARGV[1] prefix of the keys of idempotency records, ARGV[2] field of an entry with its idempotency
-- key, ARGV[3] `1` to fence a stream that does not exist yet
-- Returns the number of removed entries.

-- Step 1: return if this run of the server has fenced the topic.
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local fence = redis.call('HMGET', KEYS[2], 'run', 'after', 'before')
if fence[1] == run then
  return 0
end
local exists = redis.call('EXISTS', KEYS[1]) == 1
if not exists and ARGV[3] ~= '1' then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local removed = 0
local function evicts()
  local memory = redis.call('INFO', 'memory')
  return not (string.find(memory, 'maxmemory:0\r', 1, true)
    or string.find(memory, 'maxmemory_policy:noeviction', 1, true))
end
local function check(entry, fenced)
  for i = 1, #entry[2], 2 do
    if entry[2][i] == ARGV[2] then
      local ends, key = string.match(entry[2][i + 1], '^(%d+) (.*)$')
      local record = key and redis.call('GET', ARGV[1] .. key)
      local torn
      if fenced and record then
        torn = string.match(record, '^%S+') ~= entry[1]
      elseif key and not record then
        torn = fenced or now < tonumber(ends) and not evicts()
      end
      if torn then
        removed = removed + redis.call('XDEL', KEYS[1], entry[1])
      end
    end
  end
end
-- Step 2: remove restored entries: the newest, and those between the ids of the last fence.
local after = '0-0'
if exists then
  for _, entry in ipairs(redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)) do
    check(entry, false)
  end
  if fence[2] and fence[3] then
    local entries = redis.call('XRANGE', KEYS[1], '(' .. fence[2], '(' .. fence[3], 'COUNT', 100)
    for _, entry in ipairs(entries) do
      check(entry, true)
    end
  end
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      after = info[i + 1]
    end
  end
  -- The stream has no TTL. But a full server accepts PERSIST as the first write of a script, and then
  -- every other write: without it no message could be deleted there.
  redis.call('PERSIST', KEYS[1])
else
  redis.pcall('XGROUP', 'CREATE', KEYS[1], 'fence', '$', 'MKSTREAM')
end
-- Step 3: open a gap in the ids from the last id to the current time.
local before = after
if now > tonumber(string.match(after, '^%d+')) then
  before = string.format('%.0f-0', now)
  redis.call('XSETID', KEYS[1], before)
end
if not exists then
  redis.call('XGROUP', 'DESTROY', KEYS[1], 'fence')
end
-- Step 4: record the gap, then the run: a torn fence without the run is repeated.
redis.call('HSET', KEYS[2], 'after', after, 'before', before)
redis.call('HSET', KEYS[2], 'run', run)
return removed
