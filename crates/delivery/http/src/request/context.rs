//! The context of a request: values that middleware and handlers share.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::{HttpMessage, HttpRequest};
use posthorn_domain::{Claims, Topic};

use crate::request::trace::Trace;
use crate::route::Route;
use crate::settings::Locale;
use crate::state::concurrency_limit::Permit;

/// The context of one request; the outermost middleware makes it.
#[derive(Debug)]
pub(crate) struct RequestContext {
    /// The request id, as in `X-Request-ID`.
    pub(crate) id: String,
    pub(crate) trace: Trace,
    pub(crate) locale: Locale,
    /// The client's address.
    pub(crate) client: IpAddr,
    /// The client's address as text, for logs.
    pub(crate) client_text: Rc<str>,
    /// True if a trusted proxy reports that the client uses TLS.
    pub(crate) is_https: bool,
    /// The route, once the router has found it.
    pub(crate) route: Cell<Option<&'static Route>>,
    /// The topic of the path, parsed on first use.
    pub(crate) topic: OnceCell<Option<Topic>>,
    /// The permit of a request in flight; `None` while it waits for its body.
    pub(crate) permit: RefCell<Option<Permit>>,
    /// The topic that the body names, for the log.
    pub(crate) body_topic: OnceCell<Topic>,
    /// The bytes of the body that were read, for the log.
    pub(crate) bytes_in: Cell<usize>,
    /// The claims of a valid token that does not permit the request, for the log.
    pub(crate) refused_claims: OnceCell<Arc<Claims>>,
    /// The error of the response, for the log.
    pub(crate) error: OnceCell<LoggedError>,
}

/// What the log shows of an error.
#[derive(Debug)]
pub(crate) struct LoggedError {
    /// The code of the problem, if the response is one.
    pub(crate) code: Option<&'static str>,
    /// What failed, for the operator; the response does not contain it.
    pub(crate) cause: Option<Box<Cow<'static, str>>>,
}

/// A client's address and its text. Requests of one connection mostly share it.
#[derive(Clone, Debug)]
pub(crate) struct ClientAddress {
    pub(crate) address: IpAddr,
    text: Rc<str>,
}

impl From<IpAddr> for ClientAddress {
    fn from(address: IpAddr) -> Self {
        let text = address.to_string().into();
        Self { address, text }
    }
}

impl RequestContext {
    pub(crate) fn new(id: String, trace: Trace, locale: Locale, client: ClientAddress) -> Self {
        Self {
            id,
            trace,
            locale,
            client: client.address,
            client_text: client.text,
            is_https: false,
            route: Cell::new(None),
            topic: OnceCell::new(),
            permit: RefCell::new(None),
            body_topic: OnceCell::new(),
            bytes_in: Cell::new(0),
            refused_claims: OnceCell::new(),
            error: OnceCell::new(),
        }
    }
}

/// The context of `request`; a default where the outermost middleware did not run.
pub(crate) fn of(request: &HttpRequest) -> Rc<RequestContext> {
    if let Some(context) = request.extensions().get::<Rc<RequestContext>>() {
        return Rc::clone(context);
    }
    let unknown = ClientAddress::from(IpAddr::from([0, 0, 0, 0]));
    let (trace, locale) = (Trace::new(), Locale::default());
    Rc::new(RequestContext::new(String::new(), trace, locale, unknown))
}
