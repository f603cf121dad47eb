//! The HTTP/1 connection under actix-web: time limits for slow clients and complete error responses.
