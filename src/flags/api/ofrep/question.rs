use bellwether_core::Context;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::error::Category;
use utoipa::ToSchema;

use crate::error::{Error, Result};

/// For whom flags are evaluated.
#[derive(Deserialize, ToSchema)]
pub(super) struct EvaluationRequest {
    /// Attributes of the user or whatever else it is about; `targetingKey` names it.
    #[schema(value_type = HashMap<String, Value>)]
    context: Context,
}

/// The context in a request's body, read in one pass.
///
/// # Errors
/// [`Error::Malformed`] for what is no JSON object, [`Error::Invalid`] for one without a context that is an object.
pub(super) fn context(body: &[u8]) -> Result<Context> {
    // Serde would take a list for the struct's members in their order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(Error::Malformed("the body is not a JSON object with a `context`".to_owned()));
    }
    // Once for the whole is sooner done than for each of its strings.
    let body = std::str::from_utf8(body).map_err(|_| Error::Malformed("the body is not UTF-8".to_owned()))?;
    let read: serde_json::Result<EvaluationRequest> = serde_json::from_str(body);
    read.map(|request| request.context).map_err(|error| {
        let faulty = error.classify() == Category::Data;
        let said = format!("is required, and is an object of attributes: {error}");
        // It may have stopped at what is at fault before it came to what is no JSON.
        let rest: serde_json::Result<IgnoredAny> = serde_json::from_str(body);
        let broken = if faulty { rest.err() } else { Some(error) };
        broken.map_or_else(
            || Error::invalid("/context", said),
            |error| Error::Malformed(format!("the body is not JSON: {error}")),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_object_can_not_be_read() {
        for body in [
            "",
            " ",
            "[]",
            "[{}]",
            "1",
            "\"x\"",
            "null",
            "{",
            "{}}",
            "{\"context\":1,",
            "{\"context\":{}",
            "{\"context\":{\"a\":}}",
        ] {
            assert!(matches!(context(body.as_bytes()), Err(Error::Malformed(_))), "{body}");
        }
        assert!(matches!(context(b"{\"context\":{\"a\":\"\xff\"}}"), Err(Error::Malformed(_))));
    }

    #[test]
    fn a_context_is_an_object() {
        for body in
            ["{}", "{\"context\":null}", "{\"context\":1}", "{\"context\":[]}", "{\"context\":\"u\"}", "{\"c\":{}}"]
        {
            let Err(Error::Invalid(faults)) = context(body.as_bytes()) else { panic!("{body}") };
            assert_eq!(faults.iter().map(|fault| fault.pointer.as_str()).collect::<Vec<_>>(), ["/context"], "{body}");
        }
        for body in ["{\"context\":{}}", "\n{\"more\":[1],\"context\":{\"targetingKey\":\"u\"},\"x\":null} "] {
            context(body.as_bytes()).unwrap();
        }
    }
}
