-- An append that stores nothing: the server checks and rejects it as it does an append. It fails too if the user of this
-- connection may not run a command of the store, or use its channel.
--
-- One script: a server can accept commands and reject scripts, or writes in scripts.
--
-- KEYS[1] stream that never exists; ARGV[1] field of an entry; ARGV[2] channel of the announcements
-- Returns false.

local COMMANDS = {
  'DEL', 'EXISTS', 'GET', 'HDEL', 'HEXISTS', 'HGET', 'HGETALL', 'HINCRBY', 'HKEYS', 'HLEN', 'HMGET', 'HSET', 'INFO', 'LPUSH',
  'LRANGE', 'LTRIM', 'PERSIST', 'PEXPIRE', 'PEXPIREAT', 'PTTL', 'SADD', 'SCARD', 'SET', 'SMEMBERS', 'SREM', 'TIME', 'TYPE',
  'UNLINK', 'XADD', 'XDEL', 'XLEN', 'XRANGE', 'XREVRANGE', 'XSETID', 'XTRIM', 'ZADD', 'ZCARD', 'ZCOUNT', 'ZRANGE',
  'ZRANGEBYLEX', 'ZRANGEBYSCORE', 'ZREM', 'ZREMRANGEBYRANK', 'ZREMRANGEBYSCORE', 'ZSCORE',
}

local function refused(name)
  return redis.error_reply('NOPERM the user may not run ' .. name .. ', which the store needs')
end

-- Redis 7.0 and newer say what a user may do.
if redis.acl_check_cmd then
  for _, name in ipairs(COMMANDS) do
    if not redis.acl_check_cmd(name, KEYS[1]) then
      return refused(name)
    end
  end
  -- Scripts are called by their hash; this one is called by its text.
  if not redis.acl_check_cmd('EVALSHA', 'hash', '0') then
    return refused('EVALSHA')
  end
  if not redis.acl_check_cmd('XINFO', 'STREAM', KEYS[1]) then
    return refused('XINFO')
  end
  for _, name in ipairs({ 'PUBLISH', 'SUBSCRIBE' }) do
    if not redis.acl_check_cmd(name, ARGV[2]) then
      return refused(name .. ' on the channel ' .. ARGV[2])
    end
  end
end
return redis.call('XADD', KEYS[1], 'NOMKSTREAM', '*', ARGV[1], '')
