-- Reads a page, the entry beyond its anchor, and the mark of retention.
--
-- One script: all three must be of one moment, and a full server rejects a transaction.
--
-- KEYS[1] stream of messages, KEYS[2] mark of the newest removed id
-- ARGV[1..4] command that reads the page, its start, its end and its count; ARGV[5..8] the same for
-- the other side of the anchor, absent if no entry can be there
-- Returns {page, beyond, mark}.

local function range(i)
  return redis.call(ARGV[i], KEYS[1], ARGV[i + 1], ARGV[i + 2], 'COUNT', ARGV[i + 3])
end
return {range(1), ARGV[5] and range(5) or {}, redis.call('GET', KEYS[2])}
