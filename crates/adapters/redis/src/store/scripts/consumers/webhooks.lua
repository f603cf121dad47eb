-- Reads the webhooks of a topic.
--
-- One script: all counts must be of one moment.
--
-- KEYS, ARGV[1] to ARGV[3] as pull.lua; ARGV[4] beginning of their names
-- Returns {'ok', name, status, record, name, status, record, …}.

local reply = { 'ok' }
for name, c in pairs(open_kind(ARGV[4])) do
  local record = webhook(c)
  if record then
    reply[#reply + 1] = name
    reply[#reply + 1] = status(c)
    reply[#reply + 1] = record
  end
end
finish()
return reply
