-- Reads a page, the entry beyond its anchor, and the mark of retention.
--
-- One script: all must be of one moment, and a full server rejects a transaction.
--
-- KEYS[1] stream of messages, KEYS[2] mark of the newest removed id, KEYS[3] fence
-- ARGV[1] most bytes of the page; ARGV[2..5] command that reads it, its start, its end and its count;
-- ARGV[6..9] the same for the other side of the anchor, absent if no entry can be there; ARGV[10] the id of
-- the anchor, absent if the page does not follow a cursor
-- Returns {page, beyond, mark, 1 if the bytes ended the page, ids}. Unless the stream has the anchor, the ids
-- are of those that the topic gave: the newest; two between which there is none; the first one. Each is empty
-- if there is none.

local function range(i)
  return redis.call(ARGV[i], KEYS[1], ARGV[i + 1], ARGV[i + 2], 'COUNT', ARGV[i + 3])
end

-- The entries whose fields fit into the bytes, at least one. They are read in small portions: Redis copies what it
-- reads, and serves nobody else meanwhile.
local MAX_PORTION = 16
local page, bytes, ended = {}, 0, 0
local from, portion = ARGV[3], 2
while ended == 0 and #page < tonumber(ARGV[5]) do
  local most = math.min(portion, ARGV[5] - #page)
  local read = redis.call(ARGV[2], KEYS[1], from, ARGV[4], 'COUNT', most)
  for _, entry in ipairs(read) do
    for _, field in ipairs(entry[2]) do
      bytes = bytes + #field
    end
    if #page > 0 and bytes > tonumber(ARGV[1]) then
      ended = 1
      break
    end
    page[#page + 1] = entry
  end
  if #read < most then
    break
  end
  from = '(' .. read[most][1]
  portion = math.min(2 * portion, MAX_PORTION)
end
local beyond = ARGV[6] and range(6) or {}

local ids = {}
if ARGV[10] and not (beyond[1] and beyond[1][1] == ARGV[10]) then
  local newest, fence = '', redis.call('HMGET', KEYS[3], 'after', 'before', 'born', 'run')
  if redis.call('EXISTS', KEYS[1]) == 1 then
    local info = redis.call('XINFO', 'STREAM', KEYS[1])
    for i = 1, #info, 2 do
      if info[i] == 'last-generated-id' then
        newest = info[i + 1]
      end
    end
    if not fence[4] then
      -- The server lost everything, and the topic began again before its fence did.
      local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
      fence[3] = first and first[1] or newest
    end
  end
  ids = { newest, fence[1] or '', fence[2] or '', fence[3] or '' }
end
return {page, beyond, redis.call('GET', KEYS[2]), ended, ids}
