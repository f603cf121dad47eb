//! What each client has in progress, shared by all workers: connections, or bytes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use posthorn_domain::Client;

/// Counts by the address of the client; of an IPv6 address the first 64 bits.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientShares(Arc<Mutex<HashMap<Client, usize>>>);

impl ClientShares {
    /// Adds `more` and returns true, unless the client would then have more than `max`.
    pub(crate) fn add(&self, address: IpAddr, more: usize, max: usize) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let client = Client::at(address);
        let count = counts.get(&client).copied().unwrap_or(0);
        let fits = count.saturating_add(more) <= max;
        if fits && more > 0 {
            counts.insert(client, count + more);
        }
        fits
    }

    /// Removes some that were added.
    pub(crate) fn remove(&self, address: IpAddr, count: usize) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut share) = counts.entry(Client::at(address)) {
            *share.get_mut() = share.get().saturating_sub(count);
            if *share.get() == 0 {
                share.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_own_limit() {
        let shares = ClientShares::default();
        let add = |address: &str, more| shares.add(address.parse().unwrap(), more, 2);
        let remove = |address: &str, count| shares.remove(address.parse().unwrap(), count);
        assert!(add("192.0.2.1", 1) && add("::ffff:192.0.2.1", 1) && !add("192.0.2.1", 1));
        assert!(add("2001:db8::1", 2) && !add("2001:db8::3", 1) && add("2001:db8::3", 0));
        assert!(!add("2001:db8:0:1::1", 3) && add("2001:db8:0:1::1", 1));
        remove("192.0.2.1", 1);
        assert!(add("192.0.2.1", 1) && !add("192.0.2.1", 1));
        remove("192.0.2.1", 2);
        remove("2001:db8::2", 2);
        remove("2001:db8:0:1::1", 1);
        assert!(shares.0.lock().unwrap().is_empty());
    }
}
