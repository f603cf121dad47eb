//! Names resolved by the system, with one look-up at a time for each name.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::guard::ResolveError;

type LookUp = Shared<BoxFuture<'static, Result<Arc<[SocketAddr]>, ResolveError>>>;

/// Resolves names with `getaddrinfo`, in the threads of tokio for blocking calls.
///
/// A call of `getaddrinfo` cannot be cancelled. All attempts at one name share a look-up, so that a
/// name server that hangs holds one thread for each name, not one for each attempt.
#[derive(Default)]
pub(crate) struct SystemResolver {
    running: Arc<Running>,
}

/// The look-ups under way, by name.
#[derive(Default)]
struct Running(Mutex<HashMap<String, LookUp>>);

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let look_up = self.running.join(name.as_str());
        Box::pin(async move {
            let addresses = look_up.await?.to_vec();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

impl Running {
    /// The look-up of `name` that is under way, or a new one.
    fn join(self: &Arc<Self>, name: &str) -> LookUp {
        let mut look_ups = self.lock();
        if let Some(look_up) = look_ups.get(name) {
            return look_up.clone();
        }
        let (running, host) = (Arc::clone(self), name.to_owned());
        // A task of its own: the entry is removed even if all attempts have timed out. It cannot
        // run before the entry is there, because the removal needs the lock.
        let task = tokio::spawn(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await;
            running.lock().remove(&host);
            found
                .map(Iterator::collect)
                .map_err(|error| ResolveError::of(&error))
        });
        let look_up = task.map(|joined| joined.unwrap_or(Err(ResolveError::Unresolved)));
        let look_up = look_up.boxed().shared();
        look_ups.insert(name.to_owned(), look_up.clone());
        look_up
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, LookUp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn attempts_at_one_name_share_a_look_up_that_leaves_nothing() {
        let resolver = SystemResolver::default();
        let [first, second] = [(); 2].map(|()| resolver.resolve("localhost".parse().unwrap()));
        assert_eq!(resolver.running.lock().len(), 1);
        drop(first);
        let addresses = second.await.map_err(|error| error.to_string()).unwrap();
        assert!(
            addresses
                .map(|address| address.ip())
                .all(|address| address.is_loopback())
        );
        assert!(resolver.running.lock().is_empty());
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_an_error() {
        let resolver = SystemResolver::default();
        let outcome = resolver.resolve("receiver.invalid".parse().unwrap()).await;
        assert!(outcome.is_err());
    }
}
