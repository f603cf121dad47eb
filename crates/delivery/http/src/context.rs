//! What is known about the request at hand.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;

use actix_web::{HttpMessage, HttpRequest};

use crate::Locale;
use crate::routes::Route;

/// What is known about one request; made by the outermost middleware.
#[derive(Debug)]
pub(crate) struct RequestContext {
    pub(crate) id: String,
    pub(crate) locale: Locale,
    pub(crate) client: IpAddr,
    /// The client as a text, for logs.
    pub(crate) client_text: String,
    /// The route, once routing found one.
    pub(crate) route: Cell<Option<&'static Route>>,
}

impl RequestContext {
    pub(crate) fn new(id: String, locale: Locale, client: IpAddr) -> Self {
        Self {
            id,
            locale,
            client,
            client_text: client.to_string(),
            route: Cell::new(None),
        }
    }
}

/// The context of `request`. Every request has one; a default serves code that runs without the
/// middleware.
pub(crate) fn of(request: &HttpRequest) -> Rc<RequestContext> {
    if let Some(context) = request.extensions().get::<Rc<RequestContext>>() {
        return Rc::clone(context);
    }
    let client = IpAddr::from([0, 0, 0, 0]);
    Rc::new(RequestContext::new(
        String::new(),
        Locale::default(),
        client,
    ))
}
