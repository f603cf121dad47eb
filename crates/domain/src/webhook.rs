//! A webhook: a consumer whose worker is Posthorn itself, which POSTs each message to a URL.

mod address;
mod attempt;
mod headers;
mod health;
mod limits;
mod private;
mod secret;
mod settings;
mod url;

pub use address::{AddressPolicy, ForbiddenAddress};
pub use attempt::WebhookAttempt;
pub use headers::{WebhookHeaders, WebhookHeadersError};
pub use health::{DisableReason, WebhookHealth, WebhookState};
pub use limits::{
    AttemptTimeout, DeliveryConcurrency, DeliveryConcurrencyError, DeliveryRate, DeliveryRateError,
};
pub use private::{PreviousSecret, WebhookPrivate, WebhookSalt};
pub use secret::{WebhookSecret, WebhookSecretError};
pub use settings::{
    WebhookFormat, WebhookFormatError, WebhookOptions, WebhookSettings, WebhookSettingsError,
};
pub use url::{UrlSchemes, WebhookUrl, WebhookUrlError};
