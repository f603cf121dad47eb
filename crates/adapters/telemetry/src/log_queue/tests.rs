//! The queue over outputs in memory.

use std::sync::mpsc;

use tracing_subscriber::layer::SubscriberExt;

use super::*;
use crate::bunyan::BunyanLayer;
use crate::memory_output::MemoryOutput;

/// An output that blocks until the other end of its gate is dropped.
struct Gated {
    gate: mpsc::Receiver<()>,
    out: MemoryOutput,
}

impl Write for Gated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.gate.recv();
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_beyond_the_capacity_are_dropped_and_counted_and_the_others_written() {
    let out = MemoryOutput::default();
    let (opener, gate) = mpsc::channel();
    let gated = Gated {
        gate,
        out: out.clone(),
    };
    let (writer, guard) = start(gated, 20).unwrap();
    let mut sent = 0;
    while guard.0.lock().dropped == 0 {
        (&writer).write_all(b"line\n").unwrap();
        sent += 1;
    }
    drop(opener);
    drop(guard);
    let written = out.writes().concat().lines().count();
    assert!((4..=8).contains(&written), "{written} of {sent}");
    assert_eq!(written + 1, sent);
}

#[test]
fn a_line_after_the_end_is_counted_as_dropped() {
    let out = MemoryOutput::default();
    let (writer, guard) = start(out.clone(), 20).unwrap();
    let queue = Arc::clone(&guard.0);
    drop(guard);
    (&writer).write_all(b"late\n").unwrap();
    assert_eq!(queue.lock().dropped, 1);
    assert_eq!(out.writes().len(), 0);
}

#[test]
fn dropped_lines_are_logged_once_no_more_are_dropped() {
    let log = MemoryOutput::default();
    let writer = log.clone();
    let layer = BunyanLayer::new("a-name", move || writer.clone());
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(subscriber, || {
        let mut reporter = DropReporter::default();
        reporter.report(1);
        assert_eq!(log.writes().len(), 0, "it may last");
        reporter.report(1);
        reporter.report(1);
    });
    let lines = log.writes();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("\"lines\":1"), "{lines:?}");
}

#[test]
fn lines_keep_their_order() {
    let out = MemoryOutput::default();
    let (writer, guard) = start(out.clone(), 10_000).unwrap();
    let mut expected = String::new();
    for number in 0..1000 {
        let line = format!("{number}\n");
        (&writer).write_all(line.as_bytes()).unwrap();
        expected.push_str(&line);
    }
    drop(guard);
    assert_eq!(out.writes().concat(), expected);
}
