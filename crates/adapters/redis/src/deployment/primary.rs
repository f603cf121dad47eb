//! The primary that the Sentinels name, looked up again while connections to it are used.
//!
//! A demoted primary accepts writes for seconds until a Sentinel reconfigures it, and keeps connections
//! open. So a connection that works does not show that its server is still the primary.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use redis::ConnectionInfo;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, timeout, timeout_at};

use super::sentinel::{PromotionCandidate, Sentinel, Vote};
use crate::cluster::slots::NodeAddress;
use crate::failure::RedisFailure;

/// The age of the view from which a lookup refreshes it in the background.
const REFRESH_AFTER: Duration = Duration::from_millis(100);
/// How long a refresh waits for the other Sentinels after most have replied.
const FOR_THE_REST: Duration = Duration::from_millis(100);
/// The greatest age of a view that a lookup returns while a Sentinel replies in time.
const MAX_AGE: Duration = Duration::from_millis(500);
/// How long a candidate counts after a Sentinel reported it last. On a busy machine a server can look down
/// to all Sentinels for a moment.
const CANDIDATE_MEMORY: Duration = Duration::from_secs(10);

/// The primary of one service of the Sentinels.
pub(crate) struct PrimaryDirectory {
    sentinels: Vec<Sentinel>,
    service: String,
    query_timeout: Duration,
    view: watch::Sender<View>,
    /// Held during a refresh, so that lookups share one.
    refreshing: Mutex<()>,
}

/// A primary that the Sentinels named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedPrimary {
    pub(crate) address: NodeAddress,
    /// The number of changes of the primary that this process has seen, at least 1.
    pub(crate) version: u64,
}

/// The result of the last refresh.
#[derive(Default)]
struct View {
    primary: Option<NamedPrimary>,
    /// The epoch of the configuration that names the primary.
    epoch: u64,
    /// The time of the last refresh.
    checked: Option<Instant>,
    /// True if most Sentinels replied to it.
    is_confirmed: bool,
    /// The reason why no primary is known.
    failure: Option<RedisFailure>,
    /// The servers that a Sentinel reported as candidates, and when it did last.
    candidates: Vec<(PromotionCandidate, Instant)>,
}

impl PrimaryDirectory {
    /// A directory that queries the Sentinels with its first lookup; each query takes at most
    /// `query_timeout`.
    pub(crate) fn new(
        sentinels: &[ConnectionInfo],
        service: &str,
        query_timeout: Duration,
    ) -> Self {
        Self {
            sentinels: sentinels.iter().map(Sentinel::new).collect(),
            service: service.to_owned(),
            query_timeout,
            view: watch::Sender::default(),
            refreshing: Mutex::default(),
        }
    }

    /// The current primary. The view is at most [`MAX_AGE`] old; without a reply of any Sentinel, the
    /// last known primary is returned, because no fail-over is possible without them.
    pub(crate) async fn current(self: &Arc<Self>) -> Result<NamedPrimary, RedisFailure> {
        let (age, known) = {
            let view = self.view.borrow();
            let age = view.checked.map_or(Duration::MAX, |time| time.elapsed());
            (age, view.primary.clone())
        };
        if age >= REFRESH_AFTER {
            // A task of its own: a caller that is dropped must not end it for the others.
            let directory = Arc::clone(self);
            tokio::spawn(async move { directory.refresh().await });
        }
        if let (true, Some(primary)) = (age < MAX_AGE, known) {
            return Ok(primary);
        }
        let started = Instant::now();
        let mut views = self.view.subscribe();
        let refreshed = views.wait_for(|view| view.checked.is_some_and(|time| time >= started));
        let view = timeout(2 * self.query_timeout, refreshed)
            .await
            .map_err(|_| RedisFailure::timed_out("a query of the Sentinels"))?
            .map_err(|_| RedisFailure::timed_out("a query of the Sentinels"))?;
        view.primary()
    }

    /// The address of the last known primary.
    pub(crate) fn address(&self) -> Option<NodeAddress> {
        let view = self.view.borrow();
        view.primary.as_ref().map(|primary| primary.address.clone())
    }

    /// True if most Sentinels named the current primary in the last refresh.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.view.borrow().is_confirmed
    }

    /// The servers that a Sentinel could promote instead of the current primary, or could have promoted
    /// within [`CANDIDATE_MEMORY`]. As old as the view of [`Self::current`].
    pub(crate) fn candidates(&self) -> Vec<PromotionCandidate> {
        self.view.borrow().candidates()
    }

    /// Queries all Sentinels at once: a hung one must not use up the time of the others. A greater
    /// epoch counts as soon as one Sentinel replies with it.
    async fn refresh(&self) {
        let Ok(_guard) = self.refreshing.try_lock() else {
            return;
        };
        let queries = self
            .sentinels
            .iter()
            .map(|sentinel| sentinel.vote(&self.service).boxed());
        let mut replies: FuturesUnordered<_> = queries.collect();
        let most = self.sentinels.len() / 2 + 1;
        let (mut votes, mut failure) = (Vec::new(), None);
        let mut end = Instant::now() + self.query_timeout;
        while let Ok(Some(reply)) = timeout_at(end, replies.next()).await {
            match reply {
                Ok(vote) => votes.push(vote),
                Err(error) => failure = Some(error),
            }
            // Waiting callers need not wait for a hung Sentinel.
            let is_confirmed = votes.len() >= most;
            if is_confirmed {
                end = end.min(Instant::now() + FOR_THE_REST);
            }
            self.view
                .send_if_modified(|view| view.consider(&votes, is_confirmed, false));
        }
        let is_confirmed = votes.len() >= most;
        // One that did not reply may be the only one that knows of the last fail-over yet.
        let has_all = votes.len() == self.sentinels.len();
        self.view.send_modify(|view| {
            view.consider(&votes, is_confirmed, has_all);
            view.checked = Some(Instant::now());
            view.is_confirmed = is_confirmed;
            let unanswered = || RedisFailure::timed_out("a query of the Sentinels");
            let has_none = view.primary.is_none();
            view.failure = has_none.then(|| failure.unwrap_or_else(unanswered));
        });
    }
}

impl View {
    fn candidates(&self) -> Vec<PromotionCandidate> {
        let primary = self.primary.as_ref().map(|primary| &primary.address);
        let candidates = self.candidates.iter().map(|(candidate, _)| candidate);
        let others = candidates.filter(|candidate| primary != Some(&candidate.address));
        others.cloned().collect()
    }

    /// Notes the candidates of `votes`. `forgets` drops those that no Sentinel has reported for
    /// [`CANDIDATE_MEMORY`].
    fn note_candidates(&mut self, votes: &[Vote], forgets: bool, now: Instant) {
        for candidate in votes.iter().flat_map(|vote| &vote.candidates) {
            self.candidates
                .retain(|(known, _)| known.address != candidate.address);
            self.candidates.push((candidate.clone(), now));
        }
        self.candidates
            .retain(|(_, seen)| !forgets || now.duration_since(*seen) < CANDIDATE_MEMORY);
    }

    fn primary(&self) -> Result<NamedPrimary, RedisFailure> {
        let unknown = || RedisFailure::Transient("the Sentinels name no primary".to_owned());
        let failure = || self.failure.clone().unwrap_or_else(unknown);
        self.primary.clone().ok_or_else(failure)
    }

    /// Takes the primary of the vote with the greatest epoch. A vote with a smaller epoch than the known
    /// one is of a Sentinel that does not know the last fail-over; it counts only if `accepts_older`:
    /// all Sentinels agree, because they were replaced. Returns true if waiting callers can continue.
    fn consider(&mut self, votes: &[Vote], is_confirmed: bool, accepts_older: bool) -> bool {
        self.note_candidates(votes, is_confirmed, Instant::now());
        let Some(epoch) = votes.iter().map(|vote| vote.epoch).max() else {
            return false;
        };
        if epoch < self.epoch && !accepts_older && self.primary.is_some() {
            return false;
        }
        let known = self.primary.as_ref();
        let is_known = |vote: &&Vote| known.is_some_and(|known| known.address == vote.address);
        let mut newest = votes.iter().filter(|vote| vote.epoch == epoch);
        let keeps = newest.clone().any(|vote| is_known(&vote));
        if let (false, Some(vote)) = (keeps, newest.next()) {
            let version = known.map_or(0, |known| known.version) + 1;
            if let Some(known) = known {
                let (old, new) = (&known.address, &vote.address);
                tracing::info!(?old, ?new, "the Sentinels name another primary");
            }
            self.primary = Some(NamedPrimary {
                address: vote.address.clone(),
                version,
            });
        }
        self.epoch = epoch;
        if is_confirmed {
            self.checked = Some(Instant::now());
            self.is_confirmed = true;
            self.failure = None;
        }
        is_confirmed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> NodeAddress {
        let host = "h".into();
        NodeAddress { host, port }
    }

    fn vote(epoch: u64, port: u16) -> Vote {
        Vote {
            epoch,
            address: address(port),
            candidates: Vec::new(),
        }
    }

    /// A vote for the server at port 10 with these candidates.
    fn vote_with(candidates: &[u16]) -> Vote {
        let candidate = |port: &u16| PromotionCandidate {
            address: address(*port),
            run_id: String::new(),
        };
        Vote {
            candidates: candidates.iter().map(candidate).collect(),
            ..vote(1, 10)
        }
    }

    fn primary(view: &View) -> (u16, u64) {
        let primary = view.primary.as_ref().unwrap();
        (primary.address.port, primary.version)
    }

    #[test]
    fn the_greatest_epoch_decides() {
        let mut view = View::default();
        view.consider(&[vote(1, 10)], false, false);
        assert_eq!(primary(&view), (10, 1));
        // One Sentinel has promoted another server, the others do not know of it yet.
        view.consider(&[vote(1, 10), vote(2, 20)], true, false);
        assert_eq!(primary(&view), (20, 2));
        view.consider(&[vote(1, 10), vote(1, 10)], true, false);
        assert_eq!(primary(&view), (20, 2));
        // All Sentinels were replaced.
        view.consider(&[vote(0, 30), vote(0, 30)], true, true);
        assert_eq!(primary(&view), (30, 3));
    }

    #[test]
    fn a_tie_keeps_the_known_primary() {
        let mut view = View::default();
        view.consider(&[vote(1, 10)], false, false);
        view.consider(&[vote(1, 20), vote(1, 10)], true, true);
        assert_eq!(primary(&view), (10, 1));
    }

    #[test]
    fn a_candidate_of_any_sentinel_counts_for_a_while() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut view = View::default();
        let check = |view: &View, expected: &[u16]| {
            let found = view.candidates();
            let found: Vec<_> = found.iter().map(|found| found.address.port).collect();
            assert_eq!(found, expected);
        };
        view.consider(&[vote(1, 10)], true, false);
        view.note_candidates(&[vote_with(&[20]), vote_with(&[30])], true, at(0));
        check(&view, &[20, 30]);
        view.note_candidates(&[vote_with(&[20]), vote_with(&[])], true, at(9));
        check(&view, &[30, 20]);
        // Without most Sentinels nothing is forgotten.
        view.note_candidates(&[vote_with(&[20])], false, at(20));
        check(&view, &[30, 20]);
        view.note_candidates(&[vote_with(&[20])], true, at(20));
        check(&view, &[20]);
        // One that was promoted is none.
        view.consider(&[vote(2, 20)], false, false);
        check(&view, &[]);
    }
}
