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
///   write the record again when it is there, from `ARGV[4]` on the fields of the entry
///
/// Answers `{1, id}` when it appended and `{0, record}` when the key was used. Writing the record
/// again changes nothing, but `WAIT` waits for the connection's own writes only: it makes a `WAIT`
/// after the script cover the first append, whichever connection made that.
const APPEND_ONCE: &str = r"local record = redis.call('GET', KEYS[2])
if record then
  if ARGV[3] == '1' then
    redis.call('SET', KEYS[2], record, 'KEEPTTL')
  end
  return {0, record}
end
local id = redis.call('XADD', KEYS[1], '*', unpack(ARGV, 4))
redis.call('SET', KEYS[2], id .. ' ' .. ARGV[2], 'PX', ARGV[1])
return {1, id}";

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
/// - `KEYS[1]` the stream, `KEYS[2]` the mark of the newest removed id
/// - `ARGV[1]` the greatest age in milliseconds, `ARGV[2]` the greatest number of messages,
///   `ARGV[3]` the most messages to remove now, `ARGV[4]` after how many milliseconds an empty
///   stream is idle, `ARGV[5]` for how many milliseconds the mark of an idle one is kept
///
/// Answers `{removed, more, idle}`: how many messages went, `1` if more have to go, and `1` if the
/// stream was empty and got its last message long ago: it is gone now. The time is the server's. Trimming to a
/// length removes exactly the oldest entries, those that `XRANGE` shows first.
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
    redis.call('DEL', KEYS[1])
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
redis.call('XTRIM', KEYS[1], 'MAXLEN', '=', length - removed)
redis.call('SET', KEYS[2], entries[removed][1])
return {removed, goes > limit and 1 or 0, 0}";
