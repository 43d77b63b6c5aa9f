//! Shapes that many documents of the API share, for its OpenAPI document.

use bellwether_core::limits;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

/// The key of a project, environment or flag: see [`well_formed_key`](crate::projects::well_formed_key).
#[derive(Debug)]
pub struct Key;

impl Key {
    /// What a key looks like, as a regular expression.
    #[must_use]
    pub fn pattern() -> String {
        format!("^[A-Za-z0-9][A-Za-z0-9._-]{{0,{}}}$", limits::KEY_LENGTH - 1)
    }
}

impl PartialSchema for Key {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("Letters, digits, `.`, `_` and `-`, beginning with a letter or digit."))
            .pattern(Some(Self::pattern()))
            .min_length(Some(1))
            .max_length(Some(limits::KEY_LENGTH))
            .into()
    }
}

impl ToSchema for Key {}

/// A time: RFC 3339.
#[derive(Debug)]
pub struct Time;

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .into()
    }
}

impl ToSchema for Time {}
