//! The guard against server-side request forgery (SSRF): the client connects only to the addresses that this resolver
//! returns.

use std::error::Error;
use std::io;
use std::sync::Arc;

use posthorn_domain::{AddressPolicy, ForbiddenAddress};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Resolves names by another resolver and removes the forbidden addresses.
///
/// There is no second look-up between the check and the connection, so a name that changes its
/// address in between gains nothing. An address that stands in the URL does not come here: the
/// endpoint checks it.
pub(crate) struct GuardedResolver {
    policy: AddressPolicy,
    inner: Arc<dyn Resolve>,
}

/// Why a name has no address that may be called.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ResolveError {
    /// All its addresses are forbidden, the first one for this reason.
    #[error("{0}")]
    Forbidden(ForbiddenAddress),
    /// It has none, or the look-up failed.
    #[error("the name does not resolve")]
    Unresolved,
    /// The process has no file descriptor for the look-up.
    #[error("no open file is left for the look-up")]
    Exhausted,
}

impl ResolveError {
    /// The error of a look-up.
    pub(crate) fn of(error: &io::Error) -> Self {
        if is_exhausted(error) {
            Self::Exhausted
        } else {
            Self::Unresolved
        }
    }

    /// The error of another resolver.
    fn of_resolver(error: &(dyn Error + Send + Sync + 'static)) -> Self {
        let known = error.downcast_ref::<Self>().cloned();
        let of_io = || error.downcast_ref().map_or(Self::Unresolved, Self::of);
        known.unwrap_or_else(of_io)
    }
}

impl GuardedResolver {
    pub(crate) fn new(policy: AddressPolicy, inner: Arc<dyn Resolve>) -> Self {
        Self { policy, inner }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolving = self.inner.resolve(name);
        let policy = self.policy.clone();
        Box::pin(async move {
            let addresses = resolving.await;
            let addresses = addresses.map_err(|error| ResolveError::of_resolver(&*error))?;
            let mut forbidden = None;
            let mut allowed = Vec::new();
            for address in addresses {
                match policy.check(address.ip()) {
                    Ok(()) => allowed.push(address),
                    Err(range) => forbidden = forbidden.or(Some(range)),
                }
            }
            if allowed.is_empty() {
                let error = forbidden.map_or(ResolveError::Unresolved, ResolveError::Forbidden);
                return Err(error.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// True if the process or the system has no file descriptor left.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    /// The numbers on Linux, macOS and the BSDs. Their kind has no name.
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};
    use std::sync::Mutex;

    use posthorn_domain::ForbiddenAddress::{LinkLocal, Loopback, Private};

    use super::*;

    /// Resolves every name to the first list, then to the second, and so on.
    struct Script(Mutex<Vec<Vec<&'static str>>>);

    impl Resolve for Script {
        fn resolve(&self, _: Name) -> Resolving {
            let addresses = self.0.lock().unwrap().remove(0);
            let addresses: Vec<SocketAddr> = addresses
                .into_iter()
                .map(|address| SocketAddr::new(address.parse().unwrap(), 0))
                .collect();
            Box::pin(async move { Ok(Box::new(addresses.into_iter()) as Addrs) })
        }
    }

    fn guard(script: &[&[&'static str]]) -> GuardedResolver {
        let script = script.iter().map(|addresses| addresses.to_vec()).collect();
        let policy = AddressPolicy::new(vec!["10.1.0.0/16".parse().unwrap()]);
        GuardedResolver::new(policy, Arc::new(Script(Mutex::new(script))))
    }

    async fn look_up(guard: &GuardedResolver) -> Result<Vec<IpAddr>, String> {
        let resolved = guard.resolve("receiver.test".parse().unwrap()).await;
        let addresses = resolved.map_err(|error| error.to_string())?;
        Ok(addresses.map(|address| address.ip()).collect())
    }

    async fn check(guard: &GuardedResolver, expected: &[&str]) {
        let expected: Vec<_> = expected.iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(look_up(guard).await, Ok(expected));
    }

    async fn check_refused(guard: &GuardedResolver, expected: ResolveError) {
        assert_eq!(look_up(guard).await, Err(expected.to_string()));
    }

    #[tokio::test]
    async fn only_the_allowed_addresses_of_a_name_are_returned() {
        let guard = guard(&[
            &["8.8.8.8", "10.0.0.1", "2606:4700::1", "::ffff:127.0.0.1"],
            &["10.1.2.3", "::ffff:10.1.2.3", "10.2.0.1"],
            &["169.254.169.254", "127.0.0.1"],
            &["64:ff9b::a00:1"],
            &[],
        ]);
        check(&guard, &["8.8.8.8", "2606:4700::1"]).await;
        check(&guard, &["10.1.2.3", "::ffff:10.1.2.3"]).await;
        check_refused(&guard, ResolveError::Forbidden(LinkLocal)).await;
        check_refused(&guard, ResolveError::Forbidden(Private)).await;
        check_refused(&guard, ResolveError::Unresolved).await;
    }

    #[tokio::test]
    async fn a_name_that_changes_its_address_is_checked_at_each_look_up() {
        let guard = guard(&[&["8.8.8.8"], &["127.0.0.1"], &["8.8.4.4"]]);
        check(&guard, &["8.8.8.8"]).await;
        check_refused(&guard, ResolveError::Forbidden(Loopback)).await;
        check(&guard, &["8.8.4.4"]).await;
    }
}
