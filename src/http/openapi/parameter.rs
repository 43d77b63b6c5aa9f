use serde_json::json;
use utoipa::PartialSchema as _;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Required};

use crate::schema::Key;

/// Adds the variable parts of the path that the handler has not described, and fills in what it left out of others.
pub(super) fn complete(parameters: &mut Vec<RefOr<Parameter>>, path: &str) {
    for name in variables(path) {
        let place = parameters.iter_mut().find_map(|parameter| match parameter {
            RefOr::T(parameter) if parameter.name == name && parameter.parameter_in == ParameterIn::Path => {
                Some(parameter)
            }
            _ => None,
        });
        let known = of_path(name, path);
        match place {
            // Described by its handler: it means something of its own there.
            Some(given) if given.description.is_some() => {}
            Some(given) => {
                let Parameter { description, schema, .. } = known;
                *given = ParameterBuilder::from(given.clone()).description(description).schema(schema).build();
            }
            None => parameters.push(known.into()),
        }
    }
    for parameter in parameters {
        if let RefOr::T(parameter) = parameter
            && parameter.name == "If-Match"
            && (parameter.required == Required::True || path.ends_with("/canary"))
        {
            let version = Some(json!(first_version(path)));
            *parameter = ParameterBuilder::from(parameter.clone()).example(version).build();
        }
    }
}

/// The names in braces.
fn variables(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// The version that the examples' flag has in a store that has just been seeded: it was created, and rolled out where
/// it is served.
fn first_version(path: &str) -> &'static str {
    if path.ends_with("/flags/{flag}") { "\"2\"" } else { "\"1\"" }
}

/// What the API names by keys, ids and names, with an example out of a seeded store.
fn of_path(name: &str, path: &str) -> Parameter {
    let canary = path.contains("/canary");
    let (about, example, schema) = match name {
        "project" => ("The project's key.", "default", key()),
        "environment" => ("The environment's key.", "development", key()),
        "flag" | "key" if canary => ("The flag's key.", "canary.new-payment-processor", key()),
        "flag" | "key" => ("The flag's key.", "feature.new-dashboard", key()),
        "segment" => ("The segment's key.", "beta-testers", key()),
        "variation" => ("The variation's name.", "on", text(100)),
        "version" => ("The version's number.", "1", number()),
        "id" => ("Its id.", "0199b5a0-7c5e-7d30-8f2b-3d1c5a0e9b42", uuid()),
        _ => ("", "", text(1_000)),
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(about))
        .schema(Some(schema))
        .example(Some(json!(example)))
        .build()
}

fn key() -> RefOr<Schema> {
    Key::schema()
}

fn text(most: usize) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(most)).into()
}

fn number() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).into()
}

fn uuid() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::Custom("uuid".to_owned()))).into()
}
