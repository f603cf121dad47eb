-- Reads settings and counts of the consumers of one kind.
--
-- One script: all counts must be of one moment.
--
-- KEYS, ARGV[1] to ARGV[3] as pull.lua; ARGV[4] beginning of their names
-- Returns {'ok', name, status, name, status, …}.

local reply = { 'ok' }
for name, c in pairs(open_kind(ARGV[4])) do
  reply[#reply + 1] = name
  reply[#reply + 1] = status(c)
end
finish()
return reply
