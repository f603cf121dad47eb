-- Reads the webhooks of a topic.
--
-- One script: all counts must be of one moment.
--
-- KEYS, ARGV[1] to ARGV[3] as pull.lua; ARGV[4] beginning of their names
-- Returns {'ok', name, {status, record}, name, {status, record}, …}. A damaged webhook has nil for both.

local function read(c)
  local record = webhook(c)
  return record and { status(c), record }
end

local reply = { 'ok' }
for name, found in pairs(read_kind(ARGV[4], read)) do
  reply[#reply + 1] = name
  reply[#reply + 1] = found
end
finish()
return reply
