-- Makes dead letters wait again.
--
-- One script: a dead letter must become an entry in one step.
--
-- KEYS, ARGV[1] to ARGV[4] as pull.lua; from ARGV[5] on the ids
-- Returns {'ok', redriven, remaining, `1` or `0` for each id}, or {'absent'}.

local c = open(ARGV[4])
if not c then
  return { 'absent' }
end
local redriven, found = 0, {}
for i = 1, #ARGV - 4 do
  local id = ARGV[i + 4]
  found[i] = redis.call('ZSCORE', c.dead, id) and 1 or 0
  if found[i] == 1 then
    begin()
    redriven = redriven + 1
    local is_new = id > c.cursor and held(id)
    if is_new or entry(c, id) then
      forget_letter(c, id)
    elseif redis.call('HEXISTS', c.letters, id) == 0 then
      -- Nothing is left of it.
      forget_letter(c, id)
      c.missed = c.missed + 1
      save(c)
    else
      -- First the entry: a torn file must not lose the message.
      store(c, id, { state = 'w', at = now, attempt = 1, nonce = '-', copy = true })
      redis.call('ZREM', c.dead, id)
      redis.call('HDEL', c.deaths, id)
    end
  end
end
finish()
if redriven > 0 then
  wake()
end
return { 'ok', redriven, redis.call('ZCARD', c.dead), unpack(found) }
