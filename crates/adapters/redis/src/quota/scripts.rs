//! The Lua scripts. Each is one script because all windows of a request have to be decided and
//! counted in one step, by one clock: the server's, which all processes share.

use std::sync::LazyLock;

use redis::{Cmd, Script};

/// Decides and counts in fixed windows.
///
/// - `KEYS[1]` the hash of the key's windows: the field is a window's length in seconds, the value
///   the second in which the window began and how many requests it holds
/// - `ARGV[1]` `1` to count, `0` to look; then for each window its length in seconds and its limit
///
/// Answers `1` or `0`, whether there is room in each window, and for each window how many requests
/// it holds and in how many microseconds it ends. A denied request writes nothing. The key's end is
/// put off and never brought forward: a process with other settings may count a longer window.
const FIXED: &str = r"local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answer = {1}
local begins = {}
for i = 2, #ARGV, 2 do
  local length = ARGV[i] * 1000000
  local begin = now - now % length
  local used = 0
  local held = redis.call('HGET', KEYS[1], ARGV[i])
  if held then
    local at, count = string.match(held, '^(%d+) (%d+)$')
    if tonumber(at) * 1000000 == begin then
      used = tonumber(count)
    end
  end
  if used >= tonumber(ARGV[i + 1]) then
    answer[1] = 0
  end
  begins[i] = begin
  answer[i] = used
  answer[i + 1] = begin + length - now
end
if ARGV[1] == '0' or answer[1] == 0 then
  return answer
end
local ends = 0
for i = 2, #ARGV, 2 do
  answer[i] = answer[i] + 1
  local value = string.format('%.0f %d', begins[i] / 1000000, answer[i])
  redis.call('HSET', KEYS[1], ARGV[i], value)
  ends = math.max(ends, begins[i] + ARGV[i] * 1000000)
end
if redis.call('PTTL', KEYS[1]) < (ends - now) / 1000 then
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', ends / 1000))
end
return answer";

/// Decides and counts in moving windows.
///
/// - `KEYS[1]` the sorted set of the allowed requests: score and member are the microsecond
/// - `ARGV` as for [`FIXED`]
///
/// Answers as [`FIXED`]; the last number of a window is in how many microseconds it has more room,
/// 0 when it is empty. Two requests of the same microsecond get consecutive ones. A key that lives
/// longer than the longest window has a longer one in a process with other settings: it keeps its
/// newest 10 000 requests, which is what the greatest limit counts.
const MOVING: &str = r"local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answer = {1}
local longest = 0
for i = 2, #ARGV, 2 do
  local length = ARGV[i] * 1000000
  longest = math.max(longest, length)
  local used = redis.call('ZCOUNT', KEYS[1], string.format('(%.0f', now - length), '+inf')
  if used >= tonumber(ARGV[i + 1]) then
    answer[1] = 0
  end
  answer[i] = used
end
if ARGV[1] == '1' and answer[1] == 1 then
  local left = redis.call('PTTL', KEYS[1]) * 1000
  if left <= longest then
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - longest))
  else
    redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -10001)
  end
  local at = now
  local name = string.format('%.0f', at)
  while redis.call('ZADD', KEYS[1], 'NX', name, name) == 0 do
    at = at + 1
    name = string.format('%.0f', at)
  end
  if left < longest then
    redis.call('PEXPIRE', KEYS[1], string.format('%.0f', longest / 1000))
  end
  for i = 2, #ARGV, 2 do
    answer[i] = answer[i] + 1
  end
end
local total = redis.call('ZCARD', KEYS[1])
for i = 2, #ARGV, 2 do
  local first = total - answer[i] + math.max(0, answer[i] - ARGV[i + 1])
  local oldest = redis.call('ZRANGE', KEYS[1], first, first)[1]
  answer[i + 1] = oldest and math.max(0, oldest + ARGV[i] * 1000000 - now) or 0
end
return answer";

/// One of the scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QuotaScript {
    Fixed,
    Moving,
}

/// How a script is named to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// By its SHA-1, which the server may have forgotten.
    ByHash,
    /// By its text, from which the server learns it.
    ByText,
}

impl QuotaScript {
    /// The beginning of a call; the number of keys follows.
    pub(super) fn call(self, named: Named) -> Cmd {
        static FIXED_HASH: LazyLock<String> = LazyLock::new(|| hash(FIXED));
        static MOVING_HASH: LazyLock<String> = LazyLock::new(|| hash(MOVING));
        let (text, hash) = match self {
            Self::Fixed => (FIXED, &FIXED_HASH),
            Self::Moving => (MOVING, &MOVING_HASH),
        };
        let (command, script) = match named {
            Named::ByHash => ("EVALSHA", hash.as_str()),
            Named::ByText => ("EVAL", text),
        };
        let mut command = redis::cmd(command);
        command.arg(script);
        command
    }
}

fn hash(script: &str) -> String {
    Script::new(script).get_hash().to_owned()
}
