//! Flags in tests, without a server: `cargo run --example testing`.
#![expect(clippy::print_stdout, reason = "it shows something")]

use bellwether_sdk::{Client, Context};
use serde_json::json;

/// What is to be tested.
fn price(flags: &Client, user: &Context) -> i64 {
    let price = flags.integer("price.standard", user, 100);
    if flags.bool("feature.discount", user, false) { price * 9 / 10 } else { price }
}

fn main() -> Result<(), bellwether_sdk::FlagError> {
    let (flags, data) = Client::test();
    let user = Context::new("user-42").set("country", "NO");
    assert_eq!(price(&flags, &user), 100, "defaults, as there are no flags yet");

    // A value for everyone.
    data.set("feature.discount", true);
    assert_eq!(price(&flags, &user), 90);
    data.set("price.standard", 200);
    assert_eq!(price(&flags, &user), 180);

    // Rules, as the server sends them.
    data.set_flag(json!({
        "key": "feature.discount", "version": 1, "type": "boolean", "enabled": true, "off_variation": "off",
        "variations": [{"name": "on", "value": true}, {"name": "off", "value": false}],
        "rules": [{"id": "north", "clauses": [{"attribute": "country", "op": "in", "values": ["NO", "SE"]}],
                   "serve": {"variation": "on"}}],
        "fallthrough": {"variation": "off"},
    }))?;
    assert_eq!(price(&flags, &user), 180);
    assert_eq!(price(&flags, &Context::new("user-42").set("country", "DK")), 200);

    data.remove("price.standard");
    assert_eq!(price(&flags, &user), 90);
    println!("prices are right");
    Ok(())
}
