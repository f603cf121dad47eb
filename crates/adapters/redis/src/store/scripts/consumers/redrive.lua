-- Makes dead letters wait again.
--
-- One script: a dead letter must become an entry in one step.
--
-- KEYS, ARGV[1] to ARGV[4] as pull.lua; ARGV[5] most dead letters if all are meant, else empty; from
-- ARGV[6] on the ids
-- Returns {'ok', redriven, remaining, `1` or `0` for each id}, or {'absent'}.

local c = open(ARGV[4])
if not c then
  return { 'absent' }
end
local ids = {}
if ARGV[5] ~= '' then
  ids = redis.call('ZRANGE', c.dead, 0, ARGV[5] - 1)
else
  for i = 6, #ARGV do
    ids[#ids + 1] = ARGV[i]
  end
end
local redriven, found = 0, {}
for i, id in ipairs(ids) do
  found[i] = redis.call('ZSCORE', c.dead, id) and 1 or 0
  if found[i] == 1 then
    begin()
    redriven = redriven + 1
    local is_new = id > c.cursor and held(id)
    local is_damaged = redis.call('HEXISTS', c.letters, id) == 0
    if is_new or is_damaged or entry(c, id) then
      forget_letter(c, id)
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
