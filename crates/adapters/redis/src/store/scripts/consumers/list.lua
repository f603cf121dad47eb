-- Reads settings and counts of the consumers of one kind.
--
-- One script: all counts must be of one moment.
--
-- KEYS, ARGV[1] to ARGV[3] as pull.lua; ARGV[4] beginning of their names
-- Returns {'ok', name, status, name, status, …}. The status of a damaged consumer is nil.

local reply = { 'ok' }
for name, state in pairs(read_kind(ARGV[4], status)) do
  reply[#reply + 1] = name
  reply[#reply + 1] = state
end
finish()
return reply
