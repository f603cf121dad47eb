//! Damage in the write-ahead log that SQLite does not report: a log ends for it at the first frame with a wrong checksum.
//!
//! The format is that of <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>.

use std::io::{self, ErrorKind, Read};

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// The first word of a log whose checksums are of little-endian words; one more is of big-endian ones.
const MAGIC: u32 = 0x377f_0682;
const LARGEST_PAGE: u32 = 65_536;

/// What SQLite will not read of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogDamage {
    /// The damaged frame, counted from 1; 0 is the header of the log.
    pub(crate) frame: usize,
    /// How many transactions are complete behind it.
    pub(crate) transactions: usize,
}

/// The running checksum: two sums of 32-bit words.
#[derive(Clone, Copy, PartialEq)]
struct Checksum {
    sums: [u32; 2],
    is_big_endian: bool,
}

/// Reads a log that no process writes. `None` if SQLite will read each transaction that is complete.
///
/// # Errors
/// The log cannot be read.
pub(crate) fn find(log: &mut impl Read) -> io::Result<Option<LogDamage>> {
    // Step 1: the header: the kind of checksums, the size of a page, and the salts, which distinguish a frame of this
    // log from one that an earlier log left in the file.
    let mut header = [0; HEADER];
    if !fill(log, &mut header)? {
        return Ok(None);
    }
    let is_big_endian = word(&header, 0) == MAGIC + 1;
    let mut checksum = Checksum {
        sums: [0; 2],
        is_big_endian,
    };
    checksum.add(header.get(..24).unwrap_or_default());
    let mut is_intact = (word(&header, 0) & !1) == MAGIC && checksum.is_at(&header, 24);
    let page = match word(&header, 8) {
        size @ 512..=LARGEST_PAGE if size.is_power_of_two() => size,
        _ => 4096,
    };
    let mut salts = is_intact.then(|| words(&header, 16));

    // Step 2: the frames, in order: a page and its header. A second word above 0 ends a transaction.
    let mut frame = vec![0; FRAME_HEADER + usize::try_from(page).unwrap_or(4096)];
    let mut damage = LogDamage {
        frame: 0,
        transactions: 0,
    };
    for number in 1.. {
        if !fill(log, &mut frame)? {
            break;
        }
        // Without a header, the salts of the first frame are those of the log.
        let of_this_log = *salts.get_or_insert_with(|| words(&frame, 8)) == words(&frame, 8);
        if is_intact {
            checksum.add(frame.get(..8).unwrap_or_default());
            checksum.add(frame.get(FRAME_HEADER..).unwrap_or_default());
            is_intact = of_this_log && checksum.is_at(&frame, 16);
            damage.frame = number;
        }
        if !is_intact && of_this_log && word(&frame, 4) > 0 {
            damage.transactions += 1;
        }
    }
    Ok((damage.transactions > 0).then_some(damage))
}

impl Checksum {
    fn add(&mut self, bytes: &[u8]) {
        let read = if self.is_big_endian {
            u32::from_be_bytes
        } else {
            u32::from_le_bytes
        };
        let (pairs, _) = bytes.as_chunks();
        for &[k, l, m, n, o, p, q, r] in pairs {
            let (first, second) = (read([k, l, m, n]), read([o, p, q, r]));
            let [a, b] = self.sums;
            let a = a.wrapping_add(first).wrapping_add(b);
            self.sums = [a, b.wrapping_add(second).wrapping_add(a)];
        }
    }

    /// True if the header has this checksum at `at`.
    fn is_at(&self, header: &[u8], at: usize) -> bool {
        self.sums == words(header, at)
    }
}

/// Two words of a header: salts or checksums.
fn words(bytes: &[u8], at: usize) -> [u32; 2] {
    [word(bytes, at), word(bytes, at + 4)]
}

/// A word of a header, which are big-endian.
fn word(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
    u32::from_be_bytes(word.unwrap_or_default())
}

/// Fills `buffer`; false if the file ends first.
fn fill(log: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match log.read_exact(buffer) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rusqlite::Connection;
    use tempfile::TempDir;

    use super::*;

    /// The log of a database with `transactions` of one row each.
    fn log(transactions: usize) -> Vec<u8> {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("a.db");
        let connection = Connection::open(&path).unwrap();
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .unwrap();
        connection.execute_batch("CREATE TABLE t (a)").unwrap();
        for _ in 1..transactions {
            connection
                .execute_batch("INSERT INTO t VALUES (1)")
                .unwrap();
        }
        fs::read(directory.path().join("a.db-wal")).unwrap()
    }

    #[track_caller]
    fn check(log: &[u8], expected: Option<(usize, usize)>) {
        let expected = expected.map(|(frame, transactions)| LogDamage {
            frame,
            transactions,
        });
        assert_eq!(find(&mut &*log).unwrap(), expected);
    }

    #[test]
    fn an_intact_or_torn_log_has_no_damage() {
        let log = log(5);
        check(&log, None);
        for length in [0, HEADER, log.len() - 1, log.len() - 5000] {
            check(&log[..length], None);
        }
        // An older log is longer, and has other salts.
        let mut longer = log.clone();
        longer.extend(&self::log(9)[log.len()..]);
        check(&longer, None);
    }

    #[test]
    fn what_is_complete_behind_a_damaged_frame_is_counted() {
        let log = log(5);
        let frames = (log.len() - HEADER) / (FRAME_HEADER + 4096);
        let flipped = |at: usize| {
            let mut log = log.clone();
            log[at] ^= 1;
            log
        };
        check(&flipped(HEADER + FRAME_HEADER + 100), Some((1, 5)));
        check(&flipped(log.len() - 1), Some((frames, 1)));
        check(&flipped(25), Some((0, 5)));
    }
}
