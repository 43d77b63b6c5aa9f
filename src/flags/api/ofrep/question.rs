use std::borrow::Cow;
use std::fmt;

use bellwether_core::{Asked, Context, ContextSeed};
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use utoipa::ToSchema;

use crate::error::{Error, Result};

/// For whom flags are evaluated.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used: `RequestSeed` reads it")]
pub(super) struct EvaluationRequest {
    /// Attributes of the user or whatever else it is about; `targetingKey` names it.
    #[schema(value_type = HashMap<String, Value>)]
    context: Context,
}

/// Reads an [`EvaluationRequest`].
struct RequestSeed<'a>(ContextSeed<'a>);

impl<'de> DeserializeSeed<'de> for RequestSeed<'_> {
    type Value = Context;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Context, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RequestSeed<'_> {
    type Value = Context;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a `context`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Context, A::Error> {
        const CONTEXT: &str = "context";
        let mut context = None;
        while let Some(name) = map.next_key::<Cow<'_, str>>()? {
            if name != CONTEXT {
                map.next_value::<IgnoredAny>()?;
            } else if context.replace(map.next_value_seed(self.0)?).is_some() {
                return Err(A::Error::duplicate_field(CONTEXT));
            }
        }
        context.ok_or_else(|| A::Error::missing_field(CONTEXT))
    }
}

/// The context in a request's body, read in one pass: all of it, or what is `asked` for alone.
///
/// # Errors
/// [`Error::Malformed`] for what is no JSON object, [`Error::Invalid`] for one without a context that is an object.
pub(super) fn context(body: &[u8], asked: Option<&Asked>) -> Result<Context> {
    // Serde would take a list for the struct's members in their order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(Error::Malformed("the body is not a JSON object with a `context`".to_owned()));
    }
    // Once for the whole is sooner done than for each of its strings.
    let body = std::str::from_utf8(body).map_err(|_| Error::Malformed("the body is not UTF-8".to_owned()))?;
    let mut reader = serde_json::Deserializer::from_str(body);
    let read = RequestSeed(ContextSeed(asked)).deserialize(&mut reader).and_then(|read| reader.end().map(|()| read));
    read.map_err(|error| {
        let faulty = error.classify() == Category::Data;
        let said = format!("is required, and is an object of attributes: {error}");
        // It may have stopped at what is at fault before it came to what is no JSON.
        let rest: serde_json::Result<IgnoredAny> = serde_json::from_str(body);
        let broken = if faulty { rest.err() } else { Some(error) };
        broken.map_or_else(
            || Error::invalid("/context", said),
            |error| Error::Malformed(format!("the body can't be read as JSON: {error}")),
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
            assert!(matches!(context(body.as_bytes(), None), Err(Error::Malformed(_))), "{body}");
        }
        assert!(matches!(context(b"{\"context\":{\"a\":\"\xff\"}}", None), Err(Error::Malformed(_))));
    }

    #[test]
    fn a_context_is_an_object() {
        for body in
            ["{}", "{\"context\":null}", "{\"context\":1}", "{\"context\":[]}", "{\"context\":\"u\"}", "{\"c\":{}}"]
        {
            let Err(Error::Invalid(faults)) = context(body.as_bytes(), None) else { panic!("{body}") };
            assert_eq!(faults.iter().map(|fault| fault.pointer.as_str()).collect::<Vec<_>>(), ["/context"], "{body}");
        }
        for body in ["{\"context\":{}}", "\n{\"more\":[1],\"context\":{\"targetingKey\":\"u\"},\"x\":null} "] {
            context(body.as_bytes(), None).unwrap();
        }
    }
}
