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

-- Step 1: the health. The attempt that comes last is the last one, whatever its time.
local MAX_PAUSE = 48 * 60 * 60 * 1000
local succeeded = tonumber(record.last_success_at or '')
local failed = tonumber(record.last_failure_at or '')
local since = tonumber(record.failing_since or '')
local last_failed, reason = record.last_failed == '1', record.last_error
local texts = {}
for i = 7, #ARGV, 3 do
  local at, failure = tonumber(ARGV[i]), ARGV[i + 1]
  last_failed = string.sub(failure, 1, 1) == '+'
  if last_failed then
    -- A longer pause, or a clock that jumped, starts a new run of failures.
    if not since or not failed or math.abs(at - failed) > MAX_PAUSE then
      since = at
    end
    failed, reason = at, string.sub(failure, 2)
  else
    succeeded, since = at, nil
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
