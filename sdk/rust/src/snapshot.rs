//! Fetches the whole state of the environment over HTTP.

use std::sync::Arc;
use std::time::Duration;

use bellwether_core::{Refusal, Snapshot, State};
use reqwest::StatusCode;
use reqwest::header::{ETAG, HeaderValue, IF_NONE_MATCH};
use thiserror::Error;

use crate::endpoint::Endpoint;
use crate::failure::{self, Failure};

/// The most that a fetch may take in all, as long as something comes: a large environment is slow over a thin line.
const FETCH: Duration = Duration::from_secs(10 * 60);
/// The largest snapshot, decompressed, in bytes.
pub(crate) const SNAPSHOT_BYTES: usize = 256 * 1024 * 1024;

/// A state as it was fetched, with the tag that the server gave it.
#[derive(Clone, Debug)]
pub(crate) struct Tagged {
    pub(crate) state: Arc<State>,
    etag: Option<HeaderValue>,
}

impl Tagged {
    /// The tag, if `state` is still the one that was fetched: after a change, "not modified" would mean something else.
    fn tag_of(&self, state: Option<&Arc<State>>) -> Option<&HeaderValue> {
        self.etag.as_ref().filter(|_| state.is_some_and(|state| Arc::ptr_eq(state, &self.state)))
    }
}

/// Why no snapshot was taken.
#[derive(Debug, Error)]
pub(crate) enum FetchError {
    /// There was none.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// It can't be used.
    #[error("revision {revision} is refused: {refusal}")]
    Refused {
        /// The revision that it claims to be.
        revision: u64,
        /// What is wrong with it.
        refusal: Refusal,
    },
}

/// Fetches the snapshot; `None` when the server says that `state`, fetched as `last`, is what it has.
pub(crate) async fn fetch(
    endpoint: &Endpoint,
    last: Option<&Tagged>,
    state: Option<&Arc<State>>,
) -> Result<Option<Tagged>, FetchError> {
    tracing::trace!("the snapshot is being fetched");
    let mut request = endpoint.http.get(endpoint.snapshot.clone()).timeout(FETCH);
    if let Some(tag) = last.and_then(|last| last.tag_of(state)) {
        request = request.header(IF_NONE_MATCH, tag);
    }
    let response = failure::unless_stalled(request.send()).await?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_MODIFIED => return Ok(None),
        _ => return Err(Failure::from_response(response).await.into()),
    }
    let etag = response.headers().get(ETAG).cloned();
    let body = failure::read(response, SNAPSHOT_BYTES).await?;
    // A large environment takes long enough to compile to be kept off the threads that answer requests.
    let compiled = tokio::task::spawn_blocking(move || compile(&body)).await;
    let state = compiled.map_err(|error| Failure::Unreadable(error.to_string()))??;
    Ok(Some(Tagged { state: Arc::new(state), etag }))
}

fn compile(body: &[u8]) -> Result<State, FetchError> {
    let snapshot: Snapshot = serde_json::from_slice(body).map_err(|error| Failure::Unreadable(error.to_string()))?;
    let revision = snapshot.revision;
    State::from_snapshot(snapshot).map_err(|refusal| FetchError::Refused { revision, refusal })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixture;

    #[test]
    fn a_snapshot_is_compiled_or_refused() {
        let mut snapshot = fixture::snapshot("e", 7, vec![fixture::constant("a", "boolean", json!(true))]);
        let state = compile(&serde_json::to_vec(&snapshot).unwrap()).unwrap();
        assert_eq!(state.revision(), 7);
        snapshot.hash = "sha256:0".into();
        let error = compile(&serde_json::to_vec(&snapshot).unwrap()).unwrap_err();
        assert!(matches!(error, FetchError::Refused { revision: 7, refusal: Refusal::Hash { .. } }), "{error}");
        for body in ["", "{}", "[]", "null", r#"{"revision":7}"#] {
            let error = compile(body.as_bytes()).unwrap_err();
            assert!(matches!(error, FetchError::Failure(Failure::Unreadable(_))), "{body}: {error}");
        }
    }

    #[test]
    fn a_tag_speaks_of_the_state_it_came_with_alone() {
        let state = fixture::state("e", 7, vec![]);
        let tagged = Tagged { state: Arc::clone(&state), etag: Some(HeaderValue::from_static("\"7\"")) };
        assert!(tagged.tag_of(Some(&state)).is_some());
        assert!(tagged.tag_of(Some(&fixture::state("e", 8, vec![]))).is_none());
        assert!(tagged.tag_of(None).is_none());
    }
}
