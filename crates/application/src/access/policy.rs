//! The actions, and which of them need a token.

use posthorn_domain::Scope;

/// The action of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To send a message.
    Write,
    /// To read topics, messages or a stream.
    Read,
    /// To delete a message.
    Delete,
    /// To pull and settle messages of a consumer.
    Consume,
    /// To create, change or delete consumers, and to handle their dead letters.
    ManageConsumers,
    /// To create, change, test or delete webhooks, and to handle their dead letters.
    ManageWebhooks,
    /// To revoke a token.
    Revoke,
    /// An action that never needs a token; a token in the request must be valid.
    Open,
    /// An action that ignores tokens: probes, metrics, pages.
    Unchecked,
}

/// The actions that need a token. Revoking always needs one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessPolicy {
    reads_and_deletes: bool,
    writes: bool,
}

impl Action {
    /// The scope that permits the action, if it needs one.
    pub const fn scope(self) -> Option<Scope> {
        match self {
            Self::Write => Some(Scope::Write),
            Self::Read => Some(Scope::Read),
            Self::Delete => Some(Scope::Delete),
            Self::Consume => Some(Scope::Consume),
            Self::ManageConsumers => Some(Scope::ManageConsumers),
            Self::ManageWebhooks => Some(Scope::ManageWebhooks),
            Self::Revoke => Some(Scope::Revoke),
            Self::Open | Self::Unchecked => None,
        }
    }
}

impl AccessPolicy {
    /// Everyone may read, send and delete.
    pub const OPEN: Self = Self {
        reads_and_deletes: false,
        writes: false,
    };

    /// Reading and deleting need a token; sending does if `writes` is true.
    pub const fn protected(writes: bool) -> Self {
        Self {
            reads_and_deletes: true,
            writes,
        }
    }

    /// True if everyone may read and delete.
    pub const fn is_open(self) -> bool {
        !self.reads_and_deletes
    }

    /// The scope that `action` needs, if it needs one.
    pub const fn needs(self, action: Action) -> Option<Scope> {
        let needed = match action {
            Action::Write => self.writes,
            Action::Read
            | Action::Delete
            | Action::Consume
            | Action::ManageConsumers
            | Action::ManageWebhooks => self.reads_and_deletes,
            Action::Revoke => true,
            Action::Open | Action::Unchecked => false,
        };
        if needed { action.scope() } else { None }
    }
}
