-- Adds a topic to the index, unless there are too many.
--
-- One script: the number and the new topic must be of one moment.
--
-- KEYS[1] index of topics; ARGV[1] name, ARGV[2] most topics
-- Returns 1 if the index has the topic, else 0.

if redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return 1
end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then
  return 0
end
return redis.call('ZADD', KEYS[1], 0, ARGV[1])
