use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;

use super::report::Report;

/// A response's body whose end is reported.
pub struct Reported {
    body: BoxBody,
    status: StatusCode,
    /// What has to come until the body is whole, where that is known.
    left: Option<u64>,
    report: Report,
}

impl Reported {
    pub(super) fn new(body: impl MessageBody + 'static, status: StatusCode, report: Report) -> Self {
        let left = match body.size() {
            BodySize::Sized(size) => Some(size),
            BodySize::None | BodySize::Stream => None,
        };
        Self { body: BoxBody::new(body), status, left, report }
    }
}

/// Whether a response is whole with its head: its body is not asked for, or is another protocol's.
pub(super) fn ends_with_head(method: &Method, status: StatusCode, size: BodySize) -> bool {
    let bodiless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status) || status.is_informational();
    size.is_eof() || bodiless || method == Method::HEAD
}

impl MessageBody for Reported {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        let next = ready!(Pin::new(&mut this.body).poll_next(cx));
        match &next {
            Some(Ok(bytes)) => {
                let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                this.left = this.left.map(|left| left.saturating_sub(length));
                // Nobody has to ask whether a whole body goes on.
                if this.left == Some(0) {
                    this.report.answered(this.status);
                }
            }
            Some(Err(_)) => this.report.broken_off(this.status),
            None => this.report.answered(this.status),
        }
        Poll::Ready(next)
    }
}

impl fmt::Debug for Reported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reported").field("status", &self.status).finish_non_exhaustive()
    }
}
