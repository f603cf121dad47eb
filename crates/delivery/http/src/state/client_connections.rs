//! The open connections of each client, shared by all workers.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use posthorn_domain::Client;

/// Counts connections by the address of their peer; of an IPv6 address the first 64 bits.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientConnections(Arc<Mutex<HashMap<Client, usize>>>);

impl ClientConnections {
    /// Counts one more connection and returns true, unless its client has `max` already.
    pub(crate) fn open(&self, peer: IpAddr, max: usize) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(Client::at(peer)).or_default();
        let fits = *count < max;
        *count += usize::from(fits);
        fits
    }

    /// Counts a connection no longer.
    pub(crate) fn close(&self, peer: IpAddr) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = counts.entry(Client::at(peer)) {
            *count.get_mut() = count.get().saturating_sub(1);
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_own_limit() {
        let connections = ClientConnections::default();
        let open = |address: &str| connections.open(address.parse().unwrap(), 2);
        assert!(open("192.0.2.1") && open("::ffff:192.0.2.1") && !open("192.0.2.1"));
        assert!(open("2001:db8::1") && open("2001:db8::2") && !open("2001:db8::3"));
        assert!(open("2001:db8:0:1::1"));
        connections.close("192.0.2.1".parse().unwrap());
        assert!(open("192.0.2.1") && !open("192.0.2.1"));
        for address in [
            "192.0.2.1",
            "192.0.2.1",
            "2001:db8::1",
            "2001:db8::2",
            "2001:db8:0:1::1",
        ] {
            connections.close(address.parse().unwrap());
        }
        assert!(connections.0.lock().unwrap().is_empty());
    }
}
