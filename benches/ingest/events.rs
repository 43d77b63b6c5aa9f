//! Events of a service whose requests meet one canary.

use serde_json::{Value, json};

/// The flag that has the canary.
pub(crate) const FLAG: &str = "canary.checkout";
/// Events of a batch.
pub(crate) const BATCH: usize = 1_000;

/// Attributes of a context beside the targeting key.
#[derive(Clone, Copy)]
pub(crate) enum Attributes {
    /// The country and the plan.
    Two,
    /// As many as a rich context has.
    Eight,
}

/// A batch, as a body. Without a time events are of the moment they come in.
pub(crate) fn batch(attributes: Attributes, at: Option<&str>) -> String {
    let events: Vec<_> = (0..BATCH).map(|number| event(number, attributes, at)).collect();
    json!({"events": events}).to_string()
}

fn event(number: usize, attributes: Attributes, at: Option<&str>) -> Value {
    let mut context =
        json!({"targetingKey": format!("user-{:05}", number * 7_919 % 100_000), "country": "NO", "plan": "pro"});
    if let (Attributes::Eight, Some(context)) = (attributes, context.as_object_mut()) {
        let more = [
            ("email", "somebody@example.com"),
            ("language", "nb"),
            ("device", "phone"),
            ("os", "linux"),
            ("version", "4.2.1"),
            ("role", "editor"),
        ];
        context.extend(more.map(|(name, value)| (name.to_owned(), json!(value))));
    }
    let mut event = if number.is_multiple_of(2) {
        json!({"metric": "request.duration_ms", "value": 20.0 + (number * 37 % 1_000) as f64 / 4.0})
    } else if number.is_multiple_of(51) {
        json!({"metric": "request.error", "value": 1, "label": "POST /pay 502"})
    } else {
        json!({"metric": "request.error", "value": 0})
    };
    if let Some(event) = event.as_object_mut() {
        event.insert("context".to_owned(), context);
        event.insert("flags".to_owned(), json!([FLAG]));
        event.extend(at.map(|at| ("at".to_owned(), json!(at))));
    }
    event
}
