-- Reads the state of one message at the consumers of one kind.
--
-- One script: the states must be of one moment, after the leases that ended by then.
--
-- KEYS, ARGV[1] to ARGV[3] as pull.lua; ARGV[4] beginning of their names, ARGV[5] id of the message
-- Returns {'ok', name, {state, attempt, time, reason}, name, …}. A state is `l` (leased), `w` (waiting), `d`
-- (dead) or `s` (settled); a time that there is not is -1; a reason is behind `+`, or `-`. A damaged state is nil.

local id = ARGV[5]
local is_held = held(id) ~= nil

local function delivery(c)
  local e = entry(c, id)
  if e then
    return { e.state, e.attempt, e.at, signed(e.reason) }
  end
  if is_held and id > c.cursor then
    return { 'w', 1, -1, '-' }
  end
  local death = redis.call('HGET', c.deaths, id)
  if death then
    local attempts, died, reason = string.match(death, '^(%d+) (%d+) (.*)$')
    return { 'd', tonumber(attempts), tonumber(died), reason }
  end
  return is_held and { 's', 1, -1, '-' } or nil
end

local reply = { 'ok' }
for name, state in pairs(read_kind(ARGV[4], delivery)) do
  reply[#reply + 1] = name
  reply[#reply + 1] = state
end
finish()
return reply
