//! The `ETag` of a bulk evaluation.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bellwether_core::Context;
use xxhash_rust::xxh3::Xxh3;

use crate::error::Result;
use crate::flags::Served;

/// What tells one answer from another, as it stands in the header: 128 bits, in quotes.
///
/// The environment's state and for whom it is (whatever the order of a context's members) would do, but for flags that
/// serve something else as time goes by: so the answer's body is in it. A caller that looked for a context with the same
/// hash as another would keep back an answer from nobody else.
pub(super) fn of(
    served: &Served,
    environment: i64,
    from_client: bool,
    context: &Context,
    body: &[u8],
) -> Result<String> {
    // Members are written in the order of their names.
    let context = serde_json::to_vec(context)?;
    let mut hash = Xxh3::new();
    hash.update(served.state.epoch().as_bytes());
    hash.update(&served.state.revision().to_be_bytes());
    hash.update(&environment.to_be_bytes());
    hash.update(&[u8::from(from_client)]);
    hash.update(&context.len().to_be_bytes());
    hash.update(&context);
    hash.update(body);
    Ok(format!("\"{}\"", URL_SAFE_NO_PAD.encode(hash.digest128().to_be_bytes())))
}
