//! Webhooks over HTTP: requests signed as Standard Webhooks, a guard that keeps them out of private
//! networks (SSRF), and the encryption of their secrets.

mod client;
mod endpoint;
mod failure;
mod guard;
mod resolver;
mod retry_after;
mod settings;
mod signer;
mod vault;

pub use client::{HttpSender, HttpSenderError};
pub use settings::HttpSenderSettings;
pub use vault::AeadVault;
