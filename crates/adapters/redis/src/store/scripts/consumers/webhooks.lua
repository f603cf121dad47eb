-- Reads the webhooks of a topic.
--
-- One script: all counts must be of one moment.
--
-- KEYS, ARGV[1] to ARGV[3] as pull.lua; ARGV[4] beginning of their names
-- Returns {'ok', name, status, record, name, status, record, …}.

local reply = { 'ok' }
for _, name in ipairs(redis.call('SMEMBERS', registry)) do
  if string.sub(name, 1, #ARGV[4]) == ARGV[4] then
    local c = open(name)
    local record = c and webhook(c)
    if record then
      reply[#reply + 1] = string.sub(name, #ARGV[4] + 1)
      reply[#reply + 1] = status(c)
      reply[#reply + 1] = record
    end
  end
end
finish()
return reply
