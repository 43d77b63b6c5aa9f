use std::convert::Infallible;
use std::future::{Ready, ready};
use std::ops::Deref;
use std::sync::{Arc, LazyLock, Once, OnceLock};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use bellwether_core::Context;

use crate::{Client, Scope};

/// The flags of the request at hand, for its user; clones are the same ones.
///
/// It is a [`Scope`], with all its getters:
///
/// ```
/// # use actix_web::Responder;
/// # use bellwether_sdk::actix::RequestFlags;
/// async fn list(flags: RequestFlags) -> impl Responder {
///     let size = flags.integer("page.size", 20);
///     let why = flags.bool_detail("feature.new-list", false);
///     format!("{size} a page; new: {} because of {}", why.value, why.reason.name())
/// }
/// ```
///
/// [`FlagsMiddleware`](super::FlagsMiddleware) reports how long the request took and how it ended, so a handler need
/// not. Other middleware finds it in the request's extensions.
///
/// Where no `FlagsMiddleware` is around the handler, there is no client to ask: getters answer the caller's defaults,
/// with the error `PROVIDER_NOT_READY`, nothing is reported, and the log says so once. A request never fails for it.
#[derive(Clone, Debug)]
pub struct RequestFlags {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    scope: Scope,
    /// The pattern of the route, known when the request has found it.
    route: OnceLock<String>,
}

impl RequestFlags {
    pub(super) fn new(scope: Scope) -> Self {
        Self { inner: Arc::new(Inner { scope, route: OnceLock::new() }) }
    }

    /// The scope of the request.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.inner.scope
    }

    /// Notes by which route the request is answered, if that is known by now.
    pub(super) fn note_route(&self, request: &HttpRequest) {
        if self.inner.route.get().is_none()
            && let Some(pattern) = request.match_pattern()
        {
            self.inner.route.get_or_init(|| pattern);
        }
    }

    /// The pattern of the route, if there is one.
    pub(super) fn route(&self) -> Option<&str> {
        self.inner.route.get().map(String::as_str)
    }

    /// Flags without a client.
    fn defaults(request: &HttpRequest) -> Self {
        static NOWHERE: LazyLock<Client> = LazyLock::new(|| Client::offline(None));
        static SAID: Once = Once::new();
        SAID.call_once(|| {
            let route = request.match_pattern().unwrap_or_default();
            tracing::error!(route, "no FlagsMiddleware is around a handler with RequestFlags: it gets its defaults");
        });
        Self::new(NOWHERE.scope(&Context::anonymous()))
    }
}

impl Deref for RequestFlags {
    type Target = Scope;

    fn deref(&self) -> &Scope {
        self.scope()
    }
}

impl FromRequest for RequestFlags {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let flags = request.extensions().get::<Self>().cloned();
        let flags = flags.unwrap_or_else(|| Self::defaults(request));
        flags.note_route(request);
        ready(Ok(flags))
    }
}
