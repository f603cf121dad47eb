-- Removes a message, and ends its waiting at every consumer.
--
-- One script: consumers count the messages behind their cursors.
--
-- KEYS, ARGV[1] to ARGV[3] as consumers/pull.lua; ARGV[4] id
-- Returns {'ok', `1` if the topic held the message}.

local all = open_all()
local id = ARGV[4]
if #all > 0 then
  begin()
end
local removed = redis.call('XDEL', stream, id)
if removed == 1 then
  for _, c in ipairs(all) do
    if id <= c.cursor then
      c.behind = c.behind - 1
      local e = entry(c, id)
      if e and e.state == 'l' then
        -- The lease stays valid; its end settles the message.
        e.deleted = true
        redis.call('HSET', c.entries, id, encode(e))
      elseif e then
        drop(c, id, e)
      end
      save(c)
    end
  end
end
finish()
return { 'ok', removed }
