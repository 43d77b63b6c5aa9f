use std::thread;

use actix_web::http::{Method, StatusCode};
use tokio::time::Instant;

use super::RequestFlags;
use crate::clock;

/// What is known of how a request goes. Dropped before its end is known, it reports what can be said all the same.
#[derive(Debug)]
pub(super) struct Report {
    flags: RequestFlags,
    method: &'static str,
    /// Until the time has been reported.
    started: Option<Instant>,
    ended: bool,
}

impl Report {
    pub(super) fn new(flags: RequestFlags, method: &Method) -> Self {
        Self { flags, method: named(method), started: Some(clock::moment()), ended: false }
    }

    pub(super) fn flags(&self) -> &RequestFlags {
        &self.flags
    }

    /// Reports the time since the request came, the first time.
    pub(super) fn time(&mut self) {
        if let Some(started) = self.started.take() {
            self.flags.scope().took(clock::moment().duration_since(started));
        }
    }

    /// Reports that it ended with this status.
    pub(super) fn answered(&mut self, status: StatusCode) {
        if status.is_server_error() {
            self.failed(status.as_str());
        } else if !std::mem::replace(&mut self.ended, true) {
            self.flags.scope().end(false, "");
        }
    }

    /// Reports that its body ended with an error.
    pub(super) fn broken_off(&mut self, status: StatusCode) {
        self.failed(&format!("{} broken off", status.as_str()));
    }

    fn failed(&mut self, how: &str) {
        if !std::mem::replace(&mut self.ended, true) {
            let route = self.flags.route().unwrap_or("(no route)");
            self.flags.scope().end(true, &format!("{} {route} {how}", self.method));
        }
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.time();
        if thread::panicking() {
            self.failed("panic");
        }
    }
}

/// The method's name; those that HTTP does not know go by one, as anybody can make some up.
fn named(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => "OTHER",
    }
}
