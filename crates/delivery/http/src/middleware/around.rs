//! A middleware that is an asynchronous function of the request and the next service.
//!
//! It is actix-web's `from_fn` without its boxes: that one allocates the future of the next service for each request and
//! moves it there.

use std::future::{Ready, ready};
use std::rc::Rc;

use actix_web::Error;
use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};

/// The middleware of `function`, which is called with each request.
pub(crate) fn around<F>(function: F) -> Around<F> {
    Around(Rc::new(function))
}

/// See [`around`].
pub(crate) struct Around<F>(Rc<F>);

/// The service of [`Around`].
pub(crate) struct AroundService<S, F> {
    next: Rc<S>,
    function: Rc<F>,
}

/// The next service, for one request.
pub(crate) struct Next<S>(Rc<S>);

impl<S: Service<ServiceRequest>> Next<S> {
    /// Handles the request.
    pub(crate) fn call(&self, request: ServiceRequest) -> S::Future {
        self.0.call(request)
    }
}

impl<S, F, Fut> Transform<S, ServiceRequest> for Around<F>
where
    S: Service<ServiceRequest, Error = Error>,
    F: Fn(ServiceRequest, Next<S>) -> Fut,
    Fut: Future<Output = Result<ServiceResponse<BoxBody>, Error>>,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = AroundService<S, F>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, next: S) -> Self::Future {
        ready(Ok(AroundService {
            next: Rc::new(next),
            function: Rc::clone(&self.0),
        }))
    }
}

impl<S, F, Fut> Service<ServiceRequest> for AroundService<S, F>
where
    S: Service<ServiceRequest, Error = Error>,
    F: Fn(ServiceRequest, Next<S>) -> Fut,
    Fut: Future<Output = Result<ServiceResponse<BoxBody>, Error>>,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = Fut;

    forward_ready!(next);

    fn call(&self, request: ServiceRequest) -> Fut {
        (self.function)(request, Next(Rc::clone(&self.next)))
    }
}
