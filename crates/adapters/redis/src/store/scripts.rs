//! The Lua scripts.

use std::sync::LazyLock;

use redis::{Cmd, Script};

/// Appends a message unless its idempotency key was used before.
///
/// One script, because looking the key up, storing the message and remembering the key have to be
/// one step for every process that may use the same key.
///
/// - `KEYS[1]` the stream, `KEYS[2]` the record of the idempotency key
/// - `ARGV[1]` the record's TTL in milliseconds, `ARGV[2]` the record less the id, `ARGV[3]` `1` to
///   write the record again when it is there, `ARGV[4]` the field for the idempotency key, `ARGV[5]`
///   the idempotency key, from `ARGV[6]` on the other fields of the entry
///
/// Answers `{1, id}` when it appended and `{0, record}` when the key was used. Writing the record
/// again changes nothing, but `WAIT` waits for the connection's own writes only: it makes a `WAIT`
/// after the script cover the first append, whichever connection made that. The entry names its key,
/// and when the key's record ends, for [`FENCE`].
const APPEND_ONCE: &str = r"local record = redis.call('GET', KEYS[2])
if record then
  if ARGV[3] == '1' then
    redis.call('SET', KEYS[2], record, 'KEEPTTL')
  end
  return {0, record}
end
local time = redis.call('TIME')
local ends = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1])
local id = redis.call('XADD', KEYS[1], '*', ARGV[4], ends .. ' ' .. ARGV[5], unpack(ARGV, 6))
redis.call('SET', KEYS[2], id .. ' ' .. ARGV[2], 'PXAT', ends)
return {1, id}";

/// Fences off what a torn append-only file may bring back.
///
/// What a script writes is one transaction in the append-only file. A server that is killed while it
/// writes one cuts off what is not whole, but up to `MULTI` only if the file ends between two of its
/// commands (`loadSingleAppendOnlyFile` in Redis 7.0; Valkey mended it with its pull request 4342).
/// Else the next restart finds the beginning of the transaction again, and all that follows it up
/// to the next `EXEC` belongs to it: it is executed, or lost if no `EXEC` follows.
///
/// So the first to come to a topic after a restart writes a transaction of its own, before anything
/// is acknowledged: nothing after it can be lost with the torn one. It notes between which ids the
/// stream has no entry then. With the next restart there may be one, which came back: it is removed
/// unless the record of its idempotency key names it. If nobody came to the topic meanwhile, it is the
/// newest. That is removed only if its record should be there and is not: a record that names another
/// entry is of a key that was used again after its end, and a server that evicts may have evicted it.
/// Ids of new entries are greater from then on, even if the server's clock goes back.
///
/// It may be torn itself, so each beginning of what it writes has to be harmless. No entry raises the
/// last id, as that could come back without its removal. A stream that is not there is made by a
/// consumer group; one that a torn fence left behind changes nothing. There are two `HSET`, so that it
/// always writes a transaction.
///
/// - `KEYS[1]` the stream, `KEYS[2]` the fence
/// - `ARGV[1]` what the key of an idempotency record begins with, `ARGV[2]` the field of an entry
///   that holds its idempotency key, `ARGV[3]` `1` to fence a stream that is not there yet, too
///
/// Answers how many entries were removed. The time is the server's.
pub(super) const FENCE: &str = r"local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local fence = redis.call('HMGET', KEYS[2], 'run', 'after', 'before')
if fence[1] == run then
  return 0
end
local exists = redis.call('EXISTS', KEYS[1]) == 1
if not exists and ARGV[3] ~= '1' then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local removed = 0
local function evicts()
  local memory = redis.call('INFO', 'memory')
  return not (string.find(memory, 'maxmemory:0\r', 1, true)
    or string.find(memory, 'maxmemory_policy:noeviction', 1, true))
end
local function check(entry, fenced)
  for i = 1, #entry[2], 2 do
    if entry[2][i] == ARGV[2] then
      local ends, key = string.match(entry[2][i + 1], '^(%d+) (.*)$')
      local record = key and redis.call('GET', ARGV[1] .. key)
      local torn
      if fenced and record then
        torn = string.match(record, '^%S+') ~= entry[1]
      elseif key and not record then
        torn = fenced or now < tonumber(ends) and not evicts()
      end
      if torn then
        removed = removed + redis.call('XDEL', KEYS[1], entry[1])
      end
    end
  end
end
local after = '0-0'
if exists then
  for _, entry in ipairs(redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)) do
    check(entry, false)
  end
  if fence[2] and fence[3] then
    local entries = redis.call('XRANGE', KEYS[1], '(' .. fence[2], '(' .. fence[3], 'COUNT', 100)
    for _, entry in ipairs(entries) do
      check(entry, true)
    end
  end
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      after = info[i + 1]
    end
  end
  -- It has no TTL. But a full server takes this as a script's first write, and any write after it:
  -- else no message could be deleted there.
  redis.call('PERSIST', KEYS[1])
else
  redis.pcall('XGROUP', 'CREATE', KEYS[1], 'fence', '$', 'MKSTREAM')
end
local before = after
if now > tonumber(string.match(after, '^%d+')) then
  before = string.format('%.0f-0', now)
  redis.call('XSETID', KEYS[1], before)
end
if not exists then
  redis.call('XGROUP', 'DESTROY', KEYS[1], 'fence')
end
redis.call('HSET', KEYS[2], 'after', after, 'before', before)
redis.call('HSET', KEYS[2], 'run', run)
return removed";

/// How a script is named to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// By its SHA-1, which the server may have forgotten.
    ByHash,
    /// By its text, from which the server learns it.
    ByText,
}

/// The beginning of a call of [`APPEND_ONCE`]; the number of keys follows.
pub(super) fn append_once(named: Named) -> Cmd {
    static HASH: LazyLock<String> =
        LazyLock::new(|| Script::new(APPEND_ONCE).get_hash().to_owned());
    let (command, script) = match named {
        Named::ByHash => ("EVALSHA", HASH.as_str()),
        Named::ByText => ("EVAL", APPEND_ONCE),
    };
    let mut command = redis::cmd(command);
    command.arg(script);
    command
}

/// Removes the oldest messages of a topic that are too old or too many.
///
/// One script, because what is removed has to be decided on the same state that it is removed
/// from, and because a reader must never see the messages gone and the mark not yet set.
///
/// - `KEYS[1]` the stream, `KEYS[2]` the mark of the newest removed id, `KEYS[3]` the fence
/// - `ARGV[1]` the greatest age in milliseconds, `ARGV[2]` the greatest number of messages,
///   `ARGV[3]` the most messages to remove now, `ARGV[4]` after how many milliseconds an empty
///   stream is idle, `ARGV[5]` for how many milliseconds the mark of an idle one is kept
///
/// Answers `{removed, more, idle}`: how many messages went, `1` if more have to go, and `1` if the
/// stream was empty and got its last message long ago: it is gone now, and its fence. The time is the
/// server's. Trimming to the first kept id removes the same entries when it is executed again, whatever
/// came back between them. The mark is set before, so that no torn append-only file holds the one
/// without the other.
pub(super) const PRUNE: &str = r"local length = redis.call('XLEN', KEYS[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function millis(id)
  return tonumber(string.match(id, '^%d+'))
end
if length == 0 then
  if redis.call('EXISTS', KEYS[1]) == 1 then
    local info = redis.call('XINFO', 'STREAM', KEYS[1])
    for i = 1, #info, 2 do
      if info[i] == 'last-generated-id' and millis(info[i + 1]) + tonumber(ARGV[4]) >= now then
        return {0, 0, 0}
      end
    end
    redis.call('DEL', KEYS[1], KEYS[3])
  end
  if redis.call('PTTL', KEYS[2]) == -1 then
    redis.call('PEXPIRE', KEYS[2], ARGV[5])
  end
  return {0, 0, 1}
end
local oldest_kept = now - tonumber(ARGV[1])
local excess = length - tonumber(ARGV[2])
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
if excess <= 0 and millis(first[1]) >= oldest_kept then
  return {0, 0, 0}
end
local limit = tonumber(ARGV[3])
local entries = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', limit + 1)
local goes = 0
for i, entry in ipairs(entries) do
  if i > excess and millis(entry[1]) >= oldest_kept then
    break
  end
  goes = i
end
local removed = math.min(goes, limit)
-- It has no TTL. But a full server takes this as a script's first write, and any write after it: it
-- refuses a SET that comes first, and could never be freed.
redis.call('PERSIST', KEYS[1])
redis.call('SET', KEYS[2], entries[removed][1])
if entries[removed + 1] then
  redis.call('XTRIM', KEYS[1], 'MINID', '=', entries[removed + 1][1])
else
  redis.call('XTRIM', KEYS[1], 'MAXLEN', '=', 0)
end
return {removed, goes > limit and 1 or 0, 0}";

/// Reads a page, what lies on the other side of its anchor, and how far retention went.
///
/// One script, so that all is of one moment; a full server takes no transaction.
///
/// - `KEYS[1]` the stream, `KEYS[2]` the mark of the newest removed id
/// - `ARGV[1]` to `ARGV[4]` the command that reads the page, where it begins and ends, and how many
///   entries; from `ARGV[5]` on the same for the other side, unless nothing can lie there
///
/// Answers `{page, beyond, mark}`.
pub(super) const PAGE: &str = r"local function range(i)
  return redis.call(ARGV[i], KEYS[1], ARGV[i + 1], ARGV[i + 2], 'COUNT', ARGV[i + 3])
end
return {range(1), ARGV[5] and range(5) or {}, redis.call('GET', KEYS[2])}";
