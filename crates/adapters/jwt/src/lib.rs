//! Bearer tokens as JSON Web Tokens (RFC 7519), signed by HMAC with SHA-256 (`HS256`, RFC 7518, 3.2).

mod claims;
mod hs256;
mod tokens;

pub use tokens::{JwtTokens, peek};
