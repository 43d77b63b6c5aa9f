//! How many requests there are and how long they take, by route.

use std::borrow::Cow;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::{Method, StatusCode};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds of the durations counted together, in seconds.
const BOUNDS: [f64; 14] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// Patterns that need not be looked for: where most requests go, that would cost as much as much of their work.
const BUSY: [(&str, &str); 1] = [("/ofrep/v1/evaluate/flags/", "/ofrep/v1/evaluate/flags/{key:.+}")];

/// Stands for every path that no route has.
const NO_ROUTE: &str = "none";

/// Requests by route, method and class of status. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Traffic {
    durations: Family<Labels, Histogram, Durations>,
}

#[derive(Clone, Copy, Debug)]
struct Durations;

impl MetricConstructor<Histogram> for Durations {
    fn new_metric(&self) -> Histogram {
        Histogram::new(BOUNDS)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    route: Cow<'static, str>,
    method: Verb,
    status: Class,
}

/// A method, of which there are only so many whatever callers think of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Verb(&'static str);

/// The first digit of a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Class(&'static str);

impl EncodeLabelValue for Verb {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.encode(encoder)
    }
}

impl EncodeLabelValue for Class {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.encode(encoder)
    }
}

impl From<&Method> for Verb {
    fn from(method: &Method) -> Self {
        const KNOWN: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
        Self(KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other"))
    }
}

impl From<StatusCode> for Class {
    fn from(status: StatusCode) -> Self {
        Self(match status.as_u16() {
            ..200 => "1xx",
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            500.. => "5xx",
        })
    }
}

impl Traffic {
    /// Counts in `registry`.
    pub fn new(registry: &mut Registry) -> Self {
        let durations = Family::new_with_constructor(Durations);
        let about = "Time from a request's head to its answer's, by the route's pattern";
        registry.register_with_unit("http_request_duration", about, Unit::Seconds, durations.clone());
        Self { durations }
    }

    /// Counts a request that was answered with `status` after `took`.
    pub fn record(&self, request: &HttpRequest, status: StatusCode, took: Duration) {
        let busy = BUSY.iter().find(|(start, _)| request.path().starts_with(start));
        let route = match busy {
            Some((_, pattern)) => Cow::Borrowed(*pattern),
            None => request.match_pattern().map_or(Cow::Borrowed(NO_ROUTE), Cow::Owned),
        };
        let labels = Labels { route, method: Verb::from(request.method()), status: Class::from(status) };
        self.durations.get_or_create(&labels).observe(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_few_whatever_is_asked() {
        let made_up = Method::from_bytes(b"BREW").unwrap();
        assert_eq!((Verb::from(&Method::PATCH).0, Verb::from(&made_up).0), ("PATCH", "other"));
        let class = |status| Class::from(StatusCode::from_u16(status).unwrap()).0;
        assert_eq!([101, 200, 304, 404, 503, 999].map(class), ["1xx", "2xx", "3xx", "4xx", "5xx", "5xx"]);
    }
}
