//! Names resolved by the system, with one look-up at a time for each name.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use crate::guard::ResolveError;

/// The most look-ups at once of names that have not resolved before: half of the threads of tokio for blocking calls.
const MAX_UNPROVEN: usize = 256;
/// The most names to remember as resolved.
const MAX_PROVEN: usize = 10_000;

type LookUp = Shared<BoxFuture<'static, Result<Arc<[SocketAddr]>, ResolveError>>>;

/// Resolves names with `getaddrinfo`, in the threads of tokio for blocking calls.
///
/// A call of `getaddrinfo` cannot be cancelled. All attempts at one name share a look-up, so that a
/// name server that hangs holds one thread for each name, not one for each attempt. Names that did not resolve last
/// time leave threads to the others.
#[derive(Default)]
pub(crate) struct SystemResolver {
    running: Arc<Running>,
}

/// The look-ups, and the places of those that may hang.
struct Running {
    names: Mutex<Names>,
    unproven: Semaphore,
}

#[derive(Default)]
struct Names {
    /// The look-ups under way.
    look_ups: HashMap<String, LookUp>,
    /// The names whose last look-up found an address.
    proven: HashSet<String>,
}

impl Default for Running {
    fn default() -> Self {
        Self {
            names: Mutex::default(),
            unproven: Semaphore::new(MAX_UNPROVEN),
        }
    }
}

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
        let mut names = self.lock();
        if let Some(look_up) = names.look_ups.get(name) {
            return look_up.clone();
        }
        // It has to prove itself again: a name server may hang from now on.
        let is_proven = names.proven.remove(name);
        let (running, host) = (Arc::clone(self), name.to_owned());
        // A task of its own: the entry is removed even if all attempts have timed out. It cannot
        // run before the entry is there, because the removal needs the lock.
        let task = tokio::spawn(async move {
            // The semaphore is never closed.
            let _permit = if is_proven {
                None
            } else {
                running.unproven.acquire().await.ok()
            };
            let found = tokio::net::lookup_host((host.as_str(), 0)).await;
            let found = found.map(Iterator::collect);
            running.lock().end(host, found.is_ok());
            found.map_err(|error| ResolveError::of(&error))
        });
        let look_up = task.map(|joined| joined.unwrap_or(Err(ResolveError::Unresolved)));
        let look_up = look_up.boxed().shared();
        names.look_ups.insert(name.to_owned(), look_up.clone());
        look_up
    }

    fn lock(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Names {
    /// Ends the look-up of `name`.
    fn end(&mut self, name: String, found: bool) {
        self.look_ups.remove(&name);
        if !found {
            return;
        }
        if self.proven.len() >= MAX_PROVEN {
            self.proven.clear();
        }
        self.proven.insert(name);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn attempts_at_one_name_share_a_look_up_that_leaves_nothing() {
        let resolver = SystemResolver::default();
        let [first, second] = [(); 2].map(|()| resolver.resolve("localhost".parse().unwrap()));
        assert_eq!(resolver.running.lock().look_ups.len(), 1);
        drop(first);
        let addresses = second.await.map_err(|error| error.to_string()).unwrap();
        assert!(
            addresses
                .map(|address| address.ip())
                .all(|address| address.is_loopback())
        );
        assert!(resolver.running.lock().look_ups.is_empty());
    }

    #[tokio::test]
    async fn a_name_that_resolved_does_not_wait_for_names_that_have_not() {
        let resolver = SystemResolver::default();
        let look_up = || resolver.resolve("localhost".parse().unwrap());
        assert!(look_up().await.is_ok());
        // As many other names hang as may.
        let all = u32::try_from(MAX_UNPROVEN).unwrap();
        let hanging = resolver.running.unproven.acquire_many(all).await.unwrap();
        assert!(look_up().await.is_ok());
        let mut unproven = resolver.resolve("127.0.0.1.".parse().unwrap());
        let early = tokio::time::timeout(Duration::from_millis(50), &mut unproven).await;
        assert!(early.is_err(), "it has no place");
        drop(hanging);
        // It was tried once there was a place, whatever its outcome.
        drop(unproven.await);
        assert!(resolver.running.lock().look_ups.is_empty());
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_an_error() {
        let resolver = SystemResolver::default();
        let outcome = resolver.resolve("receiver.invalid".parse().unwrap()).await;
        assert!(outcome.is_err());
    }
}
