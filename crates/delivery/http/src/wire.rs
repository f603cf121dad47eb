//! The wire types: JSON bodies, problem documents, query parameters, header fields and times. None of
//! them leaves this crate.

pub(crate) mod asset;
pub(crate) mod consumer;
pub(crate) mod delivery;
pub(crate) mod field_problems;
pub(crate) mod fields;
pub(crate) mod html;
pub(crate) mod json;
pub(crate) mod language;
pub(crate) mod links;
pub(crate) mod media_type;
pub(crate) mod message;
pub(crate) mod position;
pub(crate) mod precondition;
pub(crate) mod problem;
pub(crate) mod query;
pub(crate) mod rate_limit_fields;
pub(crate) mod raw_json;
pub(crate) mod receipt;
pub(crate) mod responses;
pub(crate) mod schemas;
pub(crate) mod seconds;
pub(crate) mod stream_frames;
pub(crate) mod time;
pub(crate) mod urlencoded;
pub(crate) mod webhook;
