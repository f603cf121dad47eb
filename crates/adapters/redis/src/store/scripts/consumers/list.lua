-- Reads settings and counts of the consumers of one kind.
--
-- One script: all counts must be of one moment.
--
-- KEYS, ARGV[1] to ARGV[3] as pull.lua; ARGV[4] beginning of their names
-- Returns {'ok', name, status, name, status, …}.

local reply = { 'ok' }
for _, name in ipairs(redis.call('SMEMBERS', registry)) do
  if string.sub(name, 1, #ARGV[4]) == ARGV[4] then
    local c = open(name)
    if c then
      reply[#reply + 1] = string.sub(name, #ARGV[4] + 1)
      reply[#reply + 1] = status(c)
    end
  end
end
finish()
return reply
