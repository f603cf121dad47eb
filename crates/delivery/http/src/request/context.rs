//! What is known about the request at hand.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;

use actix_web::{HttpMessage, HttpRequest};

use crate::request::trace::Trace;
use crate::route::Route;
use crate::settings::Locale;
use crate::state::Place;

/// What is known about one request; made by the outermost middleware.
#[derive(Debug)]
pub(crate) struct RequestContext {
    pub(crate) id: String,
    pub(crate) trace: Trace,
    pub(crate) locale: Locale,
    pub(crate) client: IpAddr,
    /// The client as a text, for logs.
    pub(crate) client_text: Rc<str>,
    /// The route, once routing found one.
    pub(crate) route: Cell<Option<&'static Route>>,
    /// Its place among the requests in flight, while it has one.
    pub(crate) place: RefCell<Option<Place>>,
}

/// A client's address and its text, which a connection's requests mostly share.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) address: IpAddr,
    text: Rc<str>,
}

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        let text = address.to_string().into();
        Self { address, text }
    }
}

impl RequestContext {
    pub(crate) fn new(id: String, trace: Trace, locale: Locale, client: Client) -> Self {
        Self {
            id,
            trace,
            locale,
            client: client.address,
            client_text: client.text,
            route: Cell::new(None),
            place: RefCell::new(None),
        }
    }
}

/// The context of `request`. Every request has one; a default serves code that runs without the
/// middleware.
pub(crate) fn of(request: &HttpRequest) -> Rc<RequestContext> {
    if let Some(context) = request.extensions().get::<Rc<RequestContext>>() {
        return Rc::clone(context);
    }
    let nobody = Client::from(IpAddr::from([0, 0, 0, 0]));
    Rc::new(RequestContext::new(
        String::new(),
        Trace::default(),
        Locale::default(),
        nobody,
    ))
}
