-- Moves the position of a consumer.
--
-- One script: the cursor and the entries must change together.
--
-- KEYS, ARGV[1] to ARGV[4] as pull.lua; ARGV[5] `newest` or `after`, ARGV[6] id of the position,
-- ARGV[7] to ARGV[10] for the count of messages, see `count_to`
-- Returns {'ok', status}, {'absent'}, {'ahead'}, or {'count', cursor} if count.lua must count.

local c = open(ARGV[4])
if not c then
  return { 'absent' }
end
local cursor = cursor_of(ARGV[5], ARGV[6])
if not cursor then
  finish()
  return { 'ahead' }
end
local behind = count_to(cursor, 7)
if not behind then
  finish()
  return { 'count', cursor }
end
begin()

-- Step 1: sort the entries. A copy that only this consumer has waits on behind the position; a message
-- that retention removed during its lease is missed there.
local kept, dropped = {}, {}
for _, set in ipairs({ c.leased, c.redriven }) do
  for _, id in ipairs(redis.call('ZRANGE', set, 0, -1)) do
    local e = entry(c, id)
    local is_after = id > cursor
    if e and e.copy then
      local keeps = is_after and not e.deleted and not held(id)
      local list = keeps and kept or dropped
      list[#list + 1] = id
    elseif e and is_after and not e.deleted and is_pruned(id) then
      c.missed = c.missed + 1
    end
  end
end

-- Step 2: fill the next epoch, which nobody sees yet. A torn seek may have left something there.
local stale = c.epoch
redis.call('UNLINK', epoch_keys(c.key, stale + 1))
set_epoch(c, stale + 1)
for _, id in ipairs(kept) do
  store(c, id, { state = 'w', at = now, attempt = 1, nonce = '-', copy = true })
end

-- Step 3: switch to it. The next call deletes the old epoch.
c.cursor, c.behind = cursor, behind
save(c, 'stale', stale)
for _, id in ipairs(dropped) do
  redis.call('HDEL', c.letters, id)
end
finish()
wake()
return { 'ok', status(c) }
