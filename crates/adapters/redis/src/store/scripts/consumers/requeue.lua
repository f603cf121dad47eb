-- Makes settled messages wait again.
--
-- One script: that a message is settled, and its entry, must be one step beside pulls and settling.
--
-- KEYS, ARGV[1] to ARGV[4] as pull.lua; ARGV[5] smallest id, ARGV[6] largest id, ARGV[7] most messages to
-- examine
-- Returns {'ok', number of messages that wait again, id of the first one not examined or empty, largest id of the
-- range at or before the cursor}, or {'absent'}.

local c = open(ARGV[4])
if not c then
  return { 'absent' }
end
local limit = tonumber(ARGV[7])
local to = ARGV[6] < c.cursor and ARGV[6] or c.cursor
local messages = {}
if ARGV[5] <= to then
  local is_cut
  messages, is_cut = read_range(ARGV[5], to, limit + 1)
  if is_cut then
    limit = #messages - 1
  end
end
local queued = 0
for i = 1, math.min(#messages, limit) do
  local id = padded(messages[i][1])
  if redis.call('HEXISTS', c.entries, id) == 0 and not redis.call('ZSCORE', c.dead, id) then
    begin()
    queued = queued + 1
    store(c, id, { state = 'w', at = now, attempt = 1, nonce = '-' })
  end
end
finish()
if queued > 0 then
  wake()
end
return { 'ok', queued, messages[limit + 1] and messages[limit + 1][1] or '', to }
