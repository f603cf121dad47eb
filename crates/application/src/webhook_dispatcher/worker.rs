//! The worker of one webhook: an event loop that owns all of its state.

mod calls;
mod disabling;
mod health;

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use posthorn_domain::{ConsumerKey, DisableReason, LeaseToken, WebhookAttempt, WebhookHealth};

use super::attempt::{AttemptVerdict, Attempted, attempt};
use super::attempt_log::AttemptLog;
use super::attempt_window::AttemptWindow;
use super::event_queue::EventQueue;
use super::hand_out::{HandOut, HandedOut};
use super::plan::DeliveryPlan;
use super::ports::WebhookDispatcherPorts;
use super::settlement::{Settlement, Settlements};
use super::stop::{Orders, Stop};
use crate::ports::consumer_store::{ConsumerError, LeaseUpdate, LeasedMessage};
use crate::ports::webhook_observer::AttemptOutcome;
use crate::ports::webhook_sender::WebhookSendError;
use crate::ports::webhook_store::WebhookIncarnation;
use calls::{PullOutcome, StoreCalls, WorkerEvent, await_change, await_order};
use disabling::Disabling;

/// An attempt starts only if its lease holds this long beyond the attempt's time limit: the time to
/// settle it.
const SETTLE_TIME: Duration = Duration::from_secs(5);

/// Pulls the messages of one webhook, attempts them at once, and settles their leases.
pub(super) struct WebhookWorker {
    store: StoreCalls,
    orders: Arc<Orders>,
    plan: Arc<DeliveryPlan>,
    stop: Stop,
    /// True if the webhook is deleted, or disabled by this worker.
    is_over: bool,
    calls: EventQueue<WorkerEvent>,
    attempts: EventQueue<Attempted>,
    window: AttemptWindow,
    /// The leases of the attempts under way, with their earliest end.
    leases: HashMap<LeaseToken, Duration>,
    hand_out: HandOut,
    /// The failed pulls whose leases are being given back.
    giving_back: usize,
    settlements: Settlements,
    log: AttemptLog,
    disabling: Disabling,
}

impl WebhookWorker {
    pub(super) fn new(
        ports: Arc<WebhookDispatcherPorts>,
        (key, incarnation): (ConsumerKey, WebhookIncarnation),
        orders: Arc<Orders>,
        plan: Arc<DeliveryPlan>,
    ) -> Self {
        Self {
            store: StoreCalls {
                ports,
                key,
                incarnation,
            },
            orders,
            plan,
            stop: Stop::None,
            is_over: false,
            calls: EventQueue::new(),
            attempts: EventQueue::new(),
            window: AttemptWindow::new(),
            leases: HashMap::new(),
            hand_out: HandOut::new(),
            giving_back: 0,
            settlements: Settlements::default(),
            log: AttemptLog::default(),
            disabling: Disabling::default(),
        }
    }

    /// Delivers until it is stopped, or until the webhook is deleted or disabled by an attempt. Then
    /// it ends once all its leases are settled.
    pub(super) async fn run(mut self) -> ConsumerKey {
        // An order that came before the loop counts as seen: it is taken here.
        self.obey();
        self.calls.start(await_order(Arc::clone(&self.orders), 0));
        self.calls.start(self.store.clone().watch());
        loop {
            self.start_what_is_due();
            if self.is_done() {
                return self.store.key;
            }
            let (calls, attempts) = self.next_events().await;
            // What has ended is settled by its result, whatever the order.
            for attempted in &attempts {
                self.leases.remove(&attempted.token);
            }
            // First: no attempt starts by settings that are known to be old.
            self.obey();
            for attempted in attempts {
                self.attempted(&attempted);
            }
            for event in calls {
                self.handle(event);
            }
        }
    }

    /// Waits for events or the timer. All that are ready come at once, so that their leases are
    /// settled in one call.
    async fn next_events(&mut self) -> (Vec<WorkerEvent>, Vec<Attempted>) {
        let (calls, attempts) = (&mut self.calls, &mut self.attempts);
        poll_fn(|context| {
            let mut events = (Vec::new(), Vec::new());
            calls.poll(context, &mut events.0);
            attempts.poll(context, &mut events.1);
            let is_due = calls.poll_timer(context);
            if is_due || !events.0.is_empty() || !events.1.is_empty() {
                Poll::Ready(events)
            } else {
                Poll::Pending
            }
        })
        .await
    }

    fn handle(&mut self, event: WorkerEvent) {
        let now = self.store.ports.clock.monotonic();
        match event {
            WorkerEvent::Ordered(seen) => {
                self.calls
                    .start(await_order(Arc::clone(&self.orders), seen));
            }
            // What came before the watch is found by a pull only.
            WorkerEvent::Watching(subscription) | WorkerEvent::Changed(subscription) => {
                self.hand_out.wake();
                self.calls.start(await_change(subscription));
            }
            WorkerEvent::Deleted => self.deleted(),
            WorkerEvent::Pulled(pull) => self.pulled(pull, now),
            WorkerEvent::Settled(leases) => self.settlements.ended(&leases),
            WorkerEvent::Recorded(recorded) => self.recorded(recorded),
            WorkerEvent::Disabled(reason, is_disabled) => self.disabled(reason, is_disabled),
            WorkerEvent::GivenBack => self.giving_back = self.giving_back.saturating_sub(1),
        }
    }

    fn start_what_is_due(&mut self) {
        let now = self.store.ports.clock.monotonic();
        self.settle();
        self.record(now);
        self.pull(now);
        let rate = self.plan.settings.rate;
        let next_pull = if self.may_pull() {
            self.hand_out.next_look(now, rate, self.free())
        } else {
            None
        };
        let next = [next_pull, self.log.next_record()]
            .into_iter()
            .flatten()
            .min();
        self.calls.set_timer(&self.store.ports.clock, next);
    }

    const fn is_delivering(&self) -> bool {
        matches!(self.stop, Stop::None) && !self.is_over
    }

    const fn may_pull(&self) -> bool {
        self.is_delivering() && !self.disabling.is_under_way()
    }

    fn is_done(&self) -> bool {
        !self.is_delivering()
            && self.settlements.unsettled() == 0
            && !self.hand_out.is_pulling()
            && self.giving_back == 0
            && !self.disabling.is_under_way()
            && self.log.is_done()
    }

    /// The number of attempts that may start.
    fn free(&self) -> usize {
        self.window
            .size(self.max_in_flight())
            .saturating_sub(self.settlements.unsettled())
    }

    fn max_in_flight(&self) -> usize {
        usize::from(self.plan.settings.max_in_flight.get())
    }

    fn obey(&mut self) {
        let (stop, plan) = self.orders.take();
        if let Some(plan) = plan {
            if plan.settings.url != self.plan.settings.url {
                // A receiver that hangs would hold the places of the one that replaces it.
                self.abort();
                self.window = AttemptWindow::new();
            }
            // Other attempts under way keep the plan that they started with.
            self.plan = plan;
            self.hand_out.wake();
        }
        if stop >= Stop::Discard && self.stop < Stop::Discard {
            self.deleted();
        } else if stop >= Stop::Abort && self.stop < Stop::Abort {
            self.abort();
        }
        self.stop = stop;
    }

    /// Ends the attempts under way. A receiver may have got such a message. It comes again, as after
    /// a crash.
    fn abort(&mut self) {
        self.attempts.clear();
        for (token, lease_end) in std::mem::take(&mut self.leases) {
            self.release(token, lease_end);
        }
    }

    /// Ends the work for a deleted webhook at once. One that is created under its name neither waits
    /// for these attempts nor gets their outcome.
    fn deleted(&mut self) {
        self.is_over = true;
        self.abort();
        self.log.forget();
    }

    fn pull(&mut self, now: Duration) {
        if !self.may_pull() {
            return;
        }
        let (rate, free) = (self.plan.settings.rate, self.free());
        let Some(limit) = self.hand_out.start(now, rate, free) else {
            return;
        };
        // The store grants the leases later than now, so they end no earlier than this.
        let lease = self.plan.lease;
        let lease_end = now.saturating_add(lease.get());
        let call = self.store.clone().pull(limit, lease, lease_end);
        self.calls.start(call);
    }

    fn pulled(&mut self, pull: PullOutcome, now: Duration) {
        let leases = match pull.result {
            Ok(leases) => leases,
            Err(ConsumerError::NotFound) => {
                self.hand_out.failed(now);
                self.deleted();
                return;
            }
            Err(error) => {
                tracing::debug!(topic = %self.store.key.topic, webhook = %self.store.key.name, %error, "pull failed");
                self.hand_out.failed(now);
                // The store may have granted leases all the same.
                self.giving_back = self.giving_back.saturating_add(1);
                let call = self.store.clone().give_back(pull.nonce, pull.lease_end);
                self.calls.start(call);
                return;
            }
        };
        let handed_out = HandedOut {
            messages: leases.messages.len(),
            more: leases.more,
            next_due: leases.next_due,
        };
        let rate = self.plan.settings.rate;
        self.hand_out.succeeded(now, rate, pull.limit, &handed_out);
        let latest_start = pull
            .lease_end
            .saturating_sub(self.plan.settings.timeout.get());
        // After a slow pull another process could get the message before this attempt has ended.
        let may_start = self.may_pull() && now.saturating_add(SETTLE_TIME) <= latest_start;
        self.settlements.granted(leases.messages.len());
        for leased in leases.messages {
            let token = leased.token(pull.nonce);
            if may_start {
                self.attempt(leased, token, pull.lease_end);
            } else {
                self.release(token, pull.lease_end);
            }
        }
    }

    fn attempt(&mut self, leased: LeasedMessage, token: LeaseToken, lease_end: Duration) {
        self.leases.insert(token, lease_end);
        let (ports, plan) = (Arc::clone(&self.store.ports), Arc::clone(&self.plan));
        self.attempts
            .start(attempt(ports, plan, leased.message, token, lease_end));
    }

    fn attempted(&mut self, attempted: &Attempted) {
        let (token, lease_end) = (attempted.token, attempted.lease_end);
        if attempted.result == Err(WebhookSendError::Exhausted) {
            // The attempt did not happen: it neither counts nor says anything about the receiver.
            self.hand_out.starved(self.store.ports.clock.monotonic());
            self.release(token, lease_end);
            return;
        }
        self.hand_out.attempted();
        let max_in_flight = self.max_in_flight();
        self.window.ended(attempted.result.is_ok(), max_in_flight);
        let outcome = AttemptOutcome::of(&attempted.result);
        self.store
            .ports
            .observer
            .attempted(outcome, attempted.duration);
        let record = attempted.record();
        match attempted.verdict(record.failure()) {
            AttemptVerdict::Settle(update) => self.settle_later(token, lease_end, update),
            AttemptVerdict::Gone(_) if self.is_over => self.release(token, lease_end),
            AttemptVerdict::Gone(otherwise) => {
                let held = Settlement {
                    token,
                    lease_end,
                    update: otherwise,
                };
                self.disabling.hold(held);
                let url = attempted.plan.settings.url.clone();
                self.disable(DisableReason::Gone, Some(url));
            }
        }
        self.log.push(record);
    }

    fn release(&mut self, token: LeaseToken, lease_end: Duration) {
        self.settle_later(token, lease_end, LeaseUpdate::Release);
    }

    fn settle_later(&mut self, token: LeaseToken, lease_end: Duration, update: LeaseUpdate) {
        self.settlements.push(Settlement {
            token,
            lease_end,
            update,
        });
    }

    fn settle(&mut self) {
        for group in self.settlements.start() {
            self.calls.start(self.store.clone().settle(group));
        }
    }

    fn record(&mut self, now: Duration) {
        let Some(attempts) = self.log.start(now, !self.is_delivering()) else {
            return;
        };
        self.calls.start(self.store.clone().record(attempts));
    }

    fn recorded(&mut self, recorded: Result<Option<WebhookHealth>, Vec<WebhookAttempt>>) {
        let failed = match recorded {
            Ok(Some(health)) => {
                self.check_health(&health);
                Vec::new()
            }
            Ok(None) => {
                self.deleted();
                Vec::new()
            }
            // The last attempts before the end are not worth a wait for the store.
            Err(attempts) if self.is_delivering() => attempts,
            Err(_) => Vec::new(),
        };
        self.log.ended(failed);
    }
}
