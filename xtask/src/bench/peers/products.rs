//! The measured products, as data: their names, what they are compared with, what their acknowledgement
//! means, and how to install them.

use std::process::Command;

use super::nginx;
use crate::shell::{capture_quietly, has_program};

/// A product with one store: a row of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Product {
    Bare,
    Memory,
    NchanMemory,
    Embedded,
    DurableStreams,
    S2,
    JetStream,
    JetStreamSynced,
    Redis,
    NchanRedis,
    RedisAlone,
}

/// What is known of a product before it is started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Description {
    pub(super) product: Product,
    pub(super) name: &'static str,
    /// The program on the `PATH`; empty for what this workspace builds.
    program: &'static str,
    /// The command that installs it.
    pub(super) install: &'static str,
    /// The row of Posthorn that it is compared with.
    pub(super) beside: Option<Product>,
    /// When it acknowledges a message.
    pub(super) acknowledged: &'static str,
}

const NCHAN: &str = "apt-get install nginx libnginx-mod-nchan";
const NATS: &str = "apt-get install nats-server";

/// Every row, next to the row of Posthorn that it is compared with: what are neighbours in time is compared best.
pub(super) const PRODUCTS: [Description; 11] = [
    Description {
        product: Product::Bare,
        name: "bare actix-web handler",
        program: "",
        install: "",
        beside: Some(Product::Memory),
        acknowledged: "at once; it stores nothing",
    },
    Description {
        product: Product::Memory,
        name: "Posthorn, memory",
        program: "",
        install: "",
        beside: None,
        acknowledged: "when the message is in the memory of the process",
    },
    Description {
        product: Product::NchanMemory,
        name: "nchan, memory",
        program: "nginx",
        install: NCHAN,
        beside: Some(Product::Memory),
        acknowledged: "when the message is in memory that the workers of nginx share",
    },
    Description {
        product: Product::Embedded,
        name: "Posthorn, embedded",
        program: "",
        install: "",
        beside: None,
        acknowledged: "after fdatasync of the write-ahead log of SQLite",
    },
    Description {
        product: Product::DurableStreams,
        name: "durable-streams, wal",
        program: "durable-streams-server",
        install: "cargo install --locked durable-streams",
        beside: Some(Product::Embedded),
        acknowledged: "after fdatasync of its write-ahead log",
    },
    Description {
        product: Product::S2,
        name: "s2 lite, local files",
        program: "s2",
        install: "cargo install --locked s2-cli",
        beside: Some(Product::Embedded),
        acknowledged: "when SlateDB has written its log to a file, which it does every 5 ms",
    },
    Description {
        product: Product::JetStream,
        name: "NATS JetStream, default",
        program: "nats-server",
        install: NATS,
        beside: Some(Product::Embedded),
        acknowledged: "after write to its file, which it syncs every two minutes",
    },
    Description {
        product: Product::JetStreamSynced,
        name: "NATS JetStream, synced",
        program: "nats-server",
        install: NATS,
        beside: Some(Product::Embedded),
        acknowledged: "after sync of its file (`sync_interval: always`, which NATS 2.9 does not have)",
    },
    Description {
        product: Product::Redis,
        name: "Posthorn, Redis",
        program: "redis-server",
        install: "apt-get install redis-server",
        beside: None,
        acknowledged: "after the reply of Redis, which syncs its file before (`appendfsync always`)",
    },
    Description {
        product: Product::NchanRedis,
        name: "nchan, Redis",
        program: "nginx",
        install: NCHAN,
        beside: Some(Product::Redis),
        acknowledged: "after the reply of the same Redis to its script",
    },
    Description {
        product: Product::RedisAlone,
        name: "Redis alone, 256 XADD",
        program: "redis-benchmark",
        install: "apt-get install redis-tools",
        beside: Some(Product::Redis),
        acknowledged: "after sync of its file, once for a pipeline of 256",
    },
];

impl Product {
    /// True if a Redis stores the messages.
    pub(super) fn uses_redis(self) -> bool {
        matches!(self, Self::Redis | Self::NchanRedis | Self::RedisAlone)
    }
}

impl Description {
    /// True if it can be started here.
    pub(super) fn is_installed(&self) -> bool {
        (self.program.is_empty() || has_program(self.program))
            && (self.program != "nginx" || nginx::has_nchan())
            && (!self.product.uses_redis() || has_program("redis-server"))
    }

    /// The version as the program prints it; durable-streams prints none.
    pub(super) fn version(&self) -> Option<String> {
        let script = match self.program {
            "" | "durable-streams-server" => return None,
            "nginx" => "PATH=$PATH:/usr/sbin; nginx -v 2>&1 && dpkg-query -W libnginx-mod-nchan",
            "nats-server" => "PATH=$PATH:/usr/sbin; nats-server --version",
            "s2" => "s2 --version",
            _ => "redis-server --version",
        };
        let printed = capture_quietly(Command::new("sh").args(["-c", script])).ok()?;
        let words: Vec<_> = printed.split_whitespace().collect();
        (!words.is_empty()).then(|| words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_compared_with_one_of_posthorn_in_the_same_table() {
        for description in &PRODUCTS {
            let Some(beside) = description.beside else {
                continue;
            };
            let found = PRODUCTS.iter().find(|other| other.product == beside);
            assert!(found.is_some_and(|other| other.name.starts_with("Posthorn")));
        }
    }

    #[test]
    fn what_may_be_absent_has_a_command_that_installs_it() {
        for description in &PRODUCTS {
            assert_eq!(
                description.program.is_empty(),
                description.install.is_empty(),
                "{}",
                description.name
            );
        }
    }
}
