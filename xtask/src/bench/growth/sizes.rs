//! The sizes that are measured, and files that have them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::capture;

/// What a store holds, and the streams that are open beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) name: &'static str,
    pub(super) messages: u32,
    /// Topics beside `inbox`; 0 if all messages are in it.
    pub(super) topics: u32,
    /// Open streams of a topic that gets no message.
    pub(super) streams: u32,
}

const fn size(name: &'static str, messages: u32, topics: u32, streams: u32) -> Size {
    Size {
        name,
        messages,
        topics,
        streams,
    }
}

/// Each part grows alone.
pub(super) const SIZES: [Size; 9] = [
    size("10,000 messages", 10_000, 0, 0),
    size("100,000 messages", 100_000, 0, 0),
    size("1,000,000 messages", 1_000_000, 0, 0),
    size("100 topics", 200_000, 100, 0),
    size("10,000 topics", 200_000, 10_000, 0),
    size("100,000 topics", 200_000, 100_000, 0),
    size("100 idle streams", 10_000, 0, 100),
    size("1,000 idle streams", 10_000, 0, 1_000),
    size("10,000 idle streams", 10_000, 0, 10_000),
];

/// A filled database.
#[derive(Debug)]
pub(super) struct StoreFile {
    messages: u32,
    topics: u32,
    path: PathBuf,
    /// Topics and ids of messages in it, evenly spread.
    pub(super) sample: Vec<(String, String)>,
}

impl StoreFile {
    /// Fills a database by the example `fill`.
    pub(super) fn fill(tool: &Path, directory: &Path, size: &Size) -> Result<Self, String> {
        let Size {
            messages, topics, ..
        } = *size;
        let path = directory.join(format!("{messages}-{topics}.db"));
        let mut command = Command::new(tool);
        command.arg(&path).arg(messages.to_string());
        if topics > 0 {
            command.arg(topics.to_string());
        }
        println!("filling {messages} messages, {topics} topics beside inbox");
        let sample = sampled(&capture(&mut command)?);
        if sample.is_empty() {
            return Err("fill printed no sample".to_owned());
        }
        Ok(Self {
            messages,
            topics,
            path,
            sample,
        })
    }

    /// True if it has the messages and topics of `size`.
    pub(super) fn holds(&self, size: &Size) -> bool {
        (self.messages, self.topics) == (size.messages, size.topics)
    }

    /// Copies it, so that what a measurement adds is in no other one.
    pub(super) fn copy(&self, directory: &Path) -> Result<PathBuf, String> {
        let copy = directory.join("growth.db");
        std::fs::copy(&self.path, &copy).map_err(|error| error.to_string())?;
        Ok(copy)
    }
}

/// The lines `sample TOPIC ID`.
fn sampled(printed: &str) -> Vec<(String, String)> {
    let lines = printed
        .lines()
        .filter_map(|line| line.strip_prefix("sample ")?.split_once(' '));
    lines
        .map(|(topic, id)| (topic.to_owned(), id.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_read() {
        let printed = "sample inbox 01A\nmiddle 01B\nsample t7 01C\n";
        let expected = [("inbox", "01A"), ("t7", "01C")];
        assert_eq!(
            sampled(printed),
            expected.map(|(topic, id)| (topic.to_owned(), id.to_owned()))
        );
    }

    #[test]
    fn each_part_grows_while_the_others_stay() {
        let grown = |of: fn(&Size) -> u32, sizes: &[Size]| {
            sizes.windows(2).all(|two| of(&two[0]) < of(&two[1]))
        };
        assert!(grown(|size| size.messages, &SIZES[0..3]));
        assert!(grown(|size| size.topics, &SIZES[3..6]));
        assert!(grown(|size| size.streams, &SIZES[6..9]));
    }
}
