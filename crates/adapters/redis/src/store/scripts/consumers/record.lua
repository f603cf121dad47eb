-- Adds attempts to the health of a webhook and to its last attempts.
--
-- One script: attempts of several processes change one health. The rules are those of
-- `WebhookHealth::record`.
--
-- KEYS, ARGV[1] to ARGV[4] as pull.lua; ARGV[5] most attempts to keep; ARGV[6] incarnation; then for each attempt, the oldest
-- first, its time, its failure behind `+` or `-`, and its text
-- Returns {'ok', record} or {'absent'}.

local c = open(ARGV[4])
local record = c and webhook_of(c, ARGV[6])
if not record then
  finish()
  return { 'absent' }
end

-- Step 1: the health. The times of the attempts decide, not the order in which they come.
local succeeded = tonumber(record.last_success_at or '')
local failed = tonumber(record.last_failure_at or '')
local since = tonumber(record.failing_since or '')
local last_failed, reason = record.last_failed == '1', record.last_error
local texts = {}
for i = 7, #ARGV, 3 do
  local at, failure = tonumber(ARGV[i]), ARGV[i + 1]
  local is_failure = string.sub(failure, 1, 1) == '+'
  if at >= math.max(succeeded or 0, failed or 0) then
    last_failed = is_failure
  end
  if is_failure then
    if at >= (failed or 0) then
      failed, reason = at, string.sub(failure, 2)
    end
    -- A failure from before the last success does not count.
    if at >= (succeeded or 0) then
      since = math.min(since or at, at)
    end
  else
    succeeded = math.max(succeeded or 0, at)
    -- A later failure that was recorded before this success still counts.
    if since and since <= at then
      since = failed and failed > at and failed or nil
    end
  end
  texts[#texts + 1] = ARGV[i + 2]
end

-- Step 2: write both.
local fields = { 'last_failed', last_failed and 1 or 0 }
local function set(field, value)
  if value then
    fields[#fields + 1], fields[#fields + 2] = field, value
  end
end
set('last_success_at', succeeded and text(succeeded))
set('last_failure_at', failed and text(failed))
set('failing_since', since and text(since))
set('last_error', reason)
begin()
redis.call('HSET', c.key, unpack(fields))
if not since then
  redis.call('HDEL', c.key, 'failing_since')
end
if #texts > 0 then
  local most = tonumber(ARGV[5])
  redis.call('LPUSH', c.attempts, unpack(texts, math.max(1, #texts - most + 1)))
  redis.call('LTRIM', c.attempts, 0, most - 1)
end
finish()
return { 'ok', webhook(c) }
