-- Revokes a token, or extends its revocation.
--
-- KEYS[1] the key of the token
-- ARGV[1] the time from now until the token expires, in milliseconds
--
-- Reply: 1
--
-- One script: the TTL must be compared and set in one step. `PTTL` is negative without a key. It always
-- writes, so that a repeated revocation waits for the replicas too. The TTL is set twice because two
-- writes are a transaction in the append-only file. A single write could become part of a torn
-- transaction before it and be lost with that.
local ttl = math.max(redis.call('PTTL', KEYS[1]), tonumber(ARGV[1]))
redis.call('SET', KEYS[1], '1', 'PX', ttl)
redis.call('PEXPIRE', KEYS[1], ttl)
return 1
