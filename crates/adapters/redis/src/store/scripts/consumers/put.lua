-- Creates a consumer or a webhook, or replaces its settings.
--
-- One script: the precondition, the limit and the change must be one step.
--
-- KEYS, ARGV[1] to ARGV[4] as pull.lua; ARGV[5] precondition (`none`, `exists`, `absent`, `matches`,
-- `differs`), ARGV[6] its tags, ARGV[7] tag, ARGV[8] lease in milliseconds, ARGV[9] most attempts,
-- ARGV[10] backoff in milliseconds, ARGV[11] most leases, ARGV[12] `newest` or `after`, ARGV[13] id of the position,
-- ARGV[14] most consumers; of a webhook then the fields of its record and their values; last four for the
-- count of messages, see `count_to`
-- Returns {'ok', 1 if created, status, record of a webhook}, {'precondition'}, {'limit'}, {'ahead'}, or
-- {'count', cursor} if count.lua must count.

local c = open(ARGV[4])
if not holds(ARGV[5], ARGV[6], c and c.tag) then
  finish()
  return { 'precondition' }
end
local key = base .. ARGV[4]
local settings = {
  'tag', ARGV[7], 'lease', ARGV[8], 'max_attempts', ARGV[9], 'backoff', ARGV[10], 'max_in_flight', ARGV[11],
}
local counts = #ARGV - 3
local is_webhook = counts > 15
for i = 15, counts - 1 do
  settings[#settings + 1] = ARGV[i]
end
if c then
  begin()
  -- Its name may be lost.
  redis.call('SADD', registry, ARGV[4])
  redis.call('HSET', key, unpack(settings))
else
  if redis.call('SCARD', registry) >= tonumber(ARGV[14]) then
    return { 'limit' }
  end
  local cursor = cursor_of(ARGV[12], ARGV[13])
  if not cursor then
    return { 'ahead' }
  end
  local behind = count_to(cursor, counts)
  if not behind then
    return { 'count', cursor }
  end
  begin()
  -- What is left of one of this name whose hash is lost would count for this one.
  local left = keys_of(ARGV[4])
  set_epoch(left, 1)
  unlink_all(left)
  -- First the name: a consumer that is not listed would not be adjusted to deletions and retention.
  redis.call('SADD', registry, ARGV[4])
  redis.call('HSET', key, 'born', time[1] .. string.format('%06d', time[2]), 'epoch', 1, 'cursor', cursor, 'behind', behind, 'missed', 0, 'dropped', 0,
    'pulled', -1, unpack(settings))
end
finish()
wake()
local reply = { 'ok', c and 0 or 1, status(load(ARGV[4])) }
if is_webhook then
  wake_webhooks()
  reply[4] = webhook(load(ARGV[4]))
end
return reply
