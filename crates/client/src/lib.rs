//! The typed HTTP client and the commands that use it.
