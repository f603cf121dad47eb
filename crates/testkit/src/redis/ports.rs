//! Free TCP ports on the loopback interface.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};

/// The first port of servers. All are below the range from which Linux assigns ports to clients (from
/// 32768), so that a client that retries while the server is down never gets its port.
const FIRST: u16 = 10_000;
const COUNT: u64 = 10_000;
/// A cluster node also listens on its port plus this offset.
const BUS_OFFSET: u16 = 10_000;

/// A port that is free, as is its cluster bus port. Another process may use it before the caller does:
/// then the caller tries another one.
///
/// # Panics
/// If no port is free.
pub fn free_port() -> u16 {
    // A fresh `RandomState` has random keys, so two test processes start at different ports.
    let start = RandomState::new().hash_one(0) % COUNT;
    (0..COUNT)
        .map(|step| FIRST + u16::try_from((start + step) % COUNT).unwrap())
        .find(|port| is_free(*port) && is_free(port + BUS_OFFSET))
        .expect("no port between 10000 and 19999 is free")
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
