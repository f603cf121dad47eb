-- Reads a page, the entry beyond its anchor, and the mark of retention.
--
-- One script: all three must be of one moment, and a full server rejects a transaction.
--
-- KEYS[1] stream of messages, KEYS[2] mark of the newest removed id
-- ARGV[1] most bytes of the page; ARGV[2..5] command that reads it, its start, its end and its count;
-- ARGV[6..9] the same for the other side of the anchor, absent if no entry can be there
-- Returns {page, beyond, mark, 1 if the bytes ended the page}.

local function range(i)
  return redis.call(ARGV[i], KEYS[1], ARGV[i + 1], ARGV[i + 2], 'COUNT', ARGV[i + 3])
end

-- The entries whose fields fit into the bytes, at least one.
local page, bytes, ended = range(2), 0, 0
for i, entry in ipairs(page) do
  for _, field in ipairs(entry[2]) do
    bytes = bytes + #field
  end
  if i > 1 and bytes > tonumber(ARGV[1]) then
    ended = 1
    for last = #page, i, -1 do
      page[last] = nil
    end
    break
  end
end
return {page, ARGV[6] and range(6) or {}, redis.call('GET', KEYS[2]), ended}
