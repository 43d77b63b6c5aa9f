use std::fmt;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::{Error, HttpMessage as _, HttpRequest};
use bellwether_core::Context;

use super::RequestFlags;
use super::answer::{Reported, ends_with_head};
use super::report::Report;
use crate::{Client, Scope};

/// Gives each request its flags, and reports how it went: see the [module](super).
///
/// Middleware that is wrapped around it runs before: one that finds out who the user is belongs there, that is after
/// it in the order of `wrap`.
pub struct FlagsMiddleware<F> {
    client: Client,
    context: Arc<F>,
}

/// What [`FlagsMiddleware`] makes of a service.
pub struct FlagsService<S, F> {
    service: S,
    client: Client,
    context: Arc<F>,
}

impl<F: Fn(&HttpRequest) -> Context> FlagsMiddleware<F> {
    /// Flags of `client`, for whom `context` says that a request is.
    #[must_use]
    pub fn new(client: Client, context: F) -> Self {
        Self { client, context: Arc::new(context) }
    }
}

impl<F> Clone for FlagsMiddleware<F> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), context: Arc::clone(&self.context) }
    }
}

impl<S, B, F> Transform<S, ServiceRequest> for FlagsMiddleware<F>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
    F: Fn(&HttpRequest) -> Context + 'static,
{
    type Response = ServiceResponse<EitherBody<B, Reported>>;
    type Error = Error;
    type Transform = FlagsService<S, F>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(FlagsService { service, client: self.client.clone(), context: Arc::clone(&self.context) }))
    }
}

impl<S, B, F> Service<ServiceRequest> for FlagsService<S, F>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
    F: Fn(&HttpRequest) -> Context + 'static,
{
    type Response = ServiceResponse<EitherBody<B, Reported>>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let context = (self.context)(request.request());
        let flags = RequestFlags::new(Scope::new(self.client.clone(), context));
        request.extensions_mut().insert(flags.clone());
        // Before the service is called, which can panic at once.
        let mut report = Report::new(flags, request.method());
        let answer = self.service.call(request);
        Box::pin(async move {
            let answer = answer.await;
            report.time();
            match answer {
                Ok(response) => {
                    report.flags().note_route(response.request());
                    let (method, status) = (response.request().method(), response.status());
                    if ends_with_head(method, status, response.response().body().size()) {
                        report.answered(status);
                        return Ok(response.map_into_left_body());
                    }
                    Ok(response.map_body(|_, body| EitherBody::right(Reported::new(body, status, report))))
                }
                Err(error) => {
                    report.answered(error.as_response_error().status_code());
                    Err(error)
                }
            }
        })
    }
}

impl<F> fmt::Debug for FlagsMiddleware<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlagsMiddleware").field("client", &self.client).finish_non_exhaustive()
    }
}

impl<S, F> fmt::Debug for FlagsService<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlagsService").field("client", &self.client).finish_non_exhaustive()
    }
}
