-- Removes the oldest messages of a topic before an id, and ends their waiting at every consumer.
--
-- One script: consumers count the messages behind their cursors.
--
-- KEYS, ARGV[1] to ARGV[3] as consumers/pull.lua; ARGV[4] id, ARGV[5] most messages to remove
-- Returns {'ok', number of removed messages, `1` if more messages before the id are left}.

local all = open_all()
local before, limit = ARGV[4], tonumber(ARGV[5])

-- Step 1: find the messages. No message is before the least id, which Redis rejects as the end of a range.
local found, is_cut = {}, false
if before ~= ZERO then
  found, is_cut = read_range('-', '(' .. before, limit + 1)
end
if is_cut then
  limit = #found - 1
end
local removed = math.min(#found, limit)
if removed == 0 then
  finish()
  return { 'ok', 0, 0 }
end
local ids = {}
for i = 1, removed do
  ids[i] = padded(found[i][1])
end

-- Step 2: trim.
if #all > 0 then
  begin()
end
redis.call('XTRIM', stream, 'MINID', '=', found[removed + 1] and found[removed + 1][1] or before)

-- Step 3: adjust the consumers. Only messages up to the cursor are counted, or have an entry.
for _, c in ipairs(all) do
  local behind = removed
  while behind > 0 and ids[behind] > c.cursor do
    behind = behind - 1
  end
  if behind > 0 then
    c.behind = c.behind - behind
    local entries = redis.call('HMGET', c.entries, unpack(ids, 1, behind))
    for i = 1, behind do
      local e = entries[i] and decode(entries[i])
      if e and e.state == 'l' then
        -- The lease stays valid; its end settles the message.
        e.deleted = true
        redis.call('HSET', c.entries, ids[i], encode(e))
      elseif e then
        drop(c, ids[i], e)
      end
    end
    save(c)
  end
end
finish()
return { 'ok', removed, #found > limit and 1 or 0 }
