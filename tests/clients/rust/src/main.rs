//! `open-feature` with `open-feature-ofrep`: one request per evaluation.
//!
//! This provider tells a reason `STATIC` whatever the server says, takes every 400 for an invalid context, and finds a
//! value of another type unreadable.

use std::env;
use std::fmt::Debug;
use std::process::ExitCode;
use std::time::Duration;

use open_feature::{
    Client, EvaluationContext, EvaluationErrorCode as Code, EvaluationResult, OpenFeature, StructValue,
};
use open_feature_ofrep::{OfrepOptions, OfrepProvider};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// What the tests have found so far, a line each.
#[derive(Default)]
struct Found {
    failed: usize,
}

impl Found {
    fn check(&mut self, what: &str, right: bool, got: impl Debug) {
        if right {
            println!("ok {what}");
        } else {
            println!("not ok {what}: {got:?}");
            self.failed += 1;
        }
    }

    fn is<T: Debug + PartialEq>(&mut self, what: &str, got: EvaluationResult<T>, expected: &T) {
        self.check(what, got.as_ref().is_ok_and(|got| got == expected), got);
    }

    fn fails<T: Debug>(&mut self, what: &str, got: EvaluationResult<T>, code: &Code) {
        self.check(what, got.as_ref().is_err_and(|error| error.code == *code), got);
    }

    fn fails_somehow<T: Debug>(&mut self, what: &str, got: EvaluationResult<T>) {
        self.check(what, got.as_ref().is_err_and(|error| matches!(error.code, Code::General(_))), got);
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

/// A client of its own that shows this header.
async fn client(name: &str, url: &str, header: Option<(&'static str, String)>) -> Client {
    let mut headers = HeaderMap::new();
    if let Some((name, value)) = header {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(&value).expect("a header's value"));
    }
    let connect_timeout = Duration::from_secs(10);
    let options = OfrepOptions { base_url: url.to_owned(), headers, connect_timeout, ..OfrepOptions::default() };
    let provider = OfrepProvider::new(options).await.expect("a provider");
    let mut api = OpenFeature::singleton_mut().await;
    api.set_named_provider(name, provider).await;
    api.create_named_client(name)
}

fn bearer(key: &str) -> Option<(&'static str, String)> {
    Some(("authorization", format!("Bearer {key}")))
}

async fn every_type(found: &mut Found, kind: &str, flags: &Client, norway: &EvaluationContext) {
    let norway = Some(norway);
    found.is(&format!("a boolean, with {kind}"), flags.get_bool_value("clients.boolean", norway, None).await, &true);
    let text = flags.get_string_value("clients.string", norway, None).await;
    found.is(&format!("a string, with {kind}"), text, &"Hello, wörld".to_owned());
    found.is(&format!("an integer, with {kind}"), flags.get_int_value("clients.integer", norway, None).await, &42);
    found.is(&format!("a float, with {kind}"), flags.get_float_value("clients.float", norway, None).await, &10.0);
    let object: EvaluationResult<StructValue> = flags.get_struct_value("clients.json", norway, None).await;
    let title = object.as_ref().ok().and_then(|object| object.fields.get("title")?.as_str().map(str::to_owned));
    let nested =
        object.as_ref().ok().and_then(|object| object.fields.get("nested")?.as_struct()?.fields.get("on")?.as_bool());
    let right = title.as_deref() == Some("Hello") && nested == Some(true);
    found.check(&format!("an object, with {kind}"), right, object);
}

async fn what_is_served(found: &mut Found, flags: &Client) {
    let norway = EvaluationContext::default().with_targeting_key("user-1").with_custom_field("country", "NO");
    let elsewhere = EvaluationContext::default().with_targeting_key("user-1").with_custom_field("country", "SE");
    let details = flags.get_bool_details("clients.boolean", Some(&norway), None).await;
    let variant = details.as_ref().ok().and_then(|details| details.variant.as_deref());
    found.check("a value comes with its variant", variant == Some("first"), &details);
    found.is("another context", flags.get_bool_value("clients.boolean", Some(&elsewhere), None).await, &false);
    found.is("a number below one", flags.get_float_value("clients.float", Some(&elsewhere), None).await, &0.5);
    found.is("no context", flags.get_bool_value("clients.boolean", None, None).await, &false);
    let split = flags.get_bool_value("clients.split", Some(&norway), None).await;
    found.check("a split", split.is_ok(), split);
    let disabled = flags.get_string_value("clients.disabled", Some(&norway), None).await;
    found.is("a disabled flag serves its off variation", disabled, &"no".to_owned());
}

async fn errors(found: &mut Found, flags: &Client, client_key: &Client) {
    let norway = EvaluationContext::default().with_targeting_key("user-1").with_custom_field("country", "NO");
    let norway = Some(&norway);
    for key in ["clients.none", "clients.archived", "with/a/slash", "with a space", "ø"] {
        let unknown = flags.get_bool_value(key, norway, None).await;
        found.fails(&format!("an unknown flag: {key}"), unknown, &Code::FlagNotFound);
    }
    let hidden = client_key.get_bool_value("clients.hidden", norway, None).await;
    found.fails("a flag that a client key may not see", hidden, &Code::FlagNotFound);
    let mismatch = Code::ParseError;
    found.fails("no boolean", flags.get_bool_value("clients.string", norway, None).await, &mismatch);
    found.fails("no string", flags.get_string_value("clients.integer", norway, None).await, &mismatch);
    found.fails("no integer", flags.get_int_value("clients.float", norway, None).await, &mismatch);
    found.fails("no float", flags.get_float_value("clients.json", norway, None).await, &mismatch);
    let object = flags.get_struct_value::<StructValue>("clients.boolean", norway, None).await;
    found.fails("no object", object, &mismatch);
    let nobody = EvaluationContext::default().with_custom_field("country", "NO");
    let missing = flags.get_bool_value("clients.split", Some(&nobody), None).await;
    found.fails("a missing targeting key", missing, &Code::InvalidContext);
}

async fn credentials(found: &mut Found, url: &str) {
    let norway = EvaluationContext::default().with_targeting_key("user-1");
    for (name, header) in [
        ("an unknown key", bearer("bw_sdk_none")),
        ("an unknown X-API-Key", Some(("x-api-key", "none".to_owned()))),
        ("no key", None),
        ("a credential of another kind", bearer(&variable("BELLWETHER_TOKEN"))),
    ] {
        let flags = client(name, url, header).await;
        found.fails_somehow(name, flags.get_bool_value("clients.boolean", Some(&norway), None).await);
    }
    let gone = client("gone", &variable("BELLWETHER_GONE"), bearer(&variable("BELLWETHER_SERVER_KEY"))).await;
    let value = gone.get_string_value("clients.string", Some(&norway), None).await;
    let default = value.clone().unwrap_or_else(|_| "default".to_owned());
    found.fails_somehow("a server that is gone", value);
    found.check("the default is left", default == "default", default);
}

#[tokio::main]
async fn main() -> ExitCode {
    let (url, mut found) = (variable("BELLWETHER_URL"), Found::default());
    let server_key = client("server key", &url, bearer(&variable("BELLWETHER_SERVER_KEY"))).await;
    let client_key = client("client key", &url, bearer(&variable("BELLWETHER_CLIENT_KEY"))).await;
    let header = client("X-API-Key", &url, Some(("x-api-key", variable("BELLWETHER_CLIENT_KEY")))).await;
    let norway = EvaluationContext::default().with_targeting_key("user-1").with_custom_field("country", "NO");
    for (kind, flags) in [("a server key", &server_key), ("a client key", &client_key), ("X-API-Key", &header)] {
        every_type(&mut found, kind, flags, &norway).await;
    }
    what_is_served(&mut found, &server_key).await;
    errors(&mut found, &server_key, &client_key).await;
    credentials(&mut found, &url).await;
    if found.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
