//! The `ETag` of a bulk evaluation.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bellwether_core::{Context, ErrorCode, Evaluation};
use sha2::{Digest, Sha256};

use crate::error::Result;
use crate::flags::Served;

/// What tells one answer from another: the environment's state, for whom it is, and what each flag serves.
///
/// The first two alone would do, but for flags that serve something else as time goes by.
pub(super) struct Tag(Sha256);

impl Tag {
    /// For a context, whatever the order of its members.
    pub(super) fn new(served: &Served, environment: i64, from_client: bool, context: &Context) -> Result<Self> {
        let mut hash = Sha256::new();
        hash.update(served.state.epoch());
        hash.update(served.state.revision().to_be_bytes());
        hash.update(environment.to_be_bytes());
        hash.update([u8::from(from_client)]);
        // Members are written in the order of their names.
        hash.update(serde_json::to_vec(context)?);
        Ok(Self(hash))
    }

    /// The next flag serves this.
    pub(super) fn add(&mut self, outcome: &Result<Evaluation<'_>, ErrorCode>) {
        self.0.update([0]);
        match outcome {
            Ok(evaluation) => {
                self.0.update(evaluation.variation);
                self.0.update([0]);
                self.0.update(evaluation.rule.unwrap_or_default());
            }
            Err(code) => self.0.update(code.name()),
        }
    }

    /// As it stands in the header: 128 bits, in quotes.
    pub(super) fn finish(self) -> String {
        let digest = self.0.finalize();
        format!("\"{}\"", URL_SAFE_NO_PAD.encode(digest.get(..16).unwrap_or(&digest)))
    }
}
