use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// An answer, read whole.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// What was asked, for messages of failed tests.
    pub(crate) asked: String,
    pub(crate) path: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// A header's text; empty when there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{self}: {error}"))
    }

    /// The body as JSON of an answer with this status.
    ///
    /// # Panics
    /// When it has another.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self}");
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The problem document of an answer with this status and code.
    ///
    /// # Panics
    /// When the answer is not a problem document with every member that one has.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self}");
        let problem = self.json();
        let members = ["type", "title", "status", "code", "detail", "instance", "request_id", "errors"];
        for member in members {
            assert!(problem.get(member).is_some(), "{member} is missing: {self}");
        }
        assert_eq!(problem["code"], code, "{self}");
        assert_eq!(problem["status"], status, "{self}");
        assert_eq!(problem["type"], format!("urn:bellwether:problem:{code}"), "{self}");
        assert_eq!(problem["instance"], self.path.split('?').next().unwrap(), "{self}");
        assert_eq!(problem["request_id"], self.header("x-request-id"), "{self}");
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{self}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{self}");
        let ofrep = self.path.starts_with("/ofrep/");
        for member in ["errorCode", "errorDetails"] {
            assert_eq!(problem.get(member).is_some(), ofrep, "{member}: {self}");
        }
        problem
    }

    /// Where an invalid request was wrong, sorted.
    ///
    /// # Panics
    /// When the answer is something else than a problem document of faults, or a fault has no message.
    #[track_caller]
    pub(crate) fn faults(&self) -> Vec<String> {
        let status = if self.path.starts_with("/ofrep/") { 400 } else { 422 };
        let problem = self.problem(status, "invalid");
        let errors = problem["errors"].as_array().unwrap();
        assert!(!errors.is_empty(), "{self}");
        assert!(errors.iter().all(|fault| fault["message"].as_str().is_some_and(|text| !text.is_empty())), "{self}");
        let mut pointers: Vec<_> = errors.iter().map(|fault| fault["pointer"].as_str().unwrap().to_owned()).collect();
        pointers.sort();
        pointers
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body: String = String::from_utf8_lossy(&self.body).chars().take(2_000).collect();
        write!(f, "{} → {} {body}", self.asked, self.status)
    }
}
