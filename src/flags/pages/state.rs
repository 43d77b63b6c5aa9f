use bellwether_core::allocation::shares;

use super::StateText;
use crate::flags::{Configuration, Definition, share};
use crate::http::display::{self, Tone, counted};

/// More parts than these are not listed.
const LISTED: usize = 3;

/// What a flag serves while it is on, in a few words: "on", "on 25 %", "50 / 50 %", "5.0".
pub(super) fn state(definition: &Definition, configuration: &Configuration) -> StateText {
    let mut text = fallthrough(definition, configuration);
    if !configuration.rules.is_empty() {
        text = format!("{text}, {}", counted(configuration.rules.len() as u64, "rule", "rules"));
    }
    StateText { text, tone: Tone::Plain }
}

fn fallthrough(definition: &Definition, configuration: &Configuration) -> String {
    let shares = shares(&share::ranges(&configuration.fallthrough));
    let percent = |name: &str| share::percent_of_buckets(shares.get(name).copied().unwrap_or_default());
    let shown = |name: &str| display::share(percent(name));
    let variations = &definition.variations;
    if variations.iter().all(|variation| variation.value.is_boolean())
        && let Some(on) = variations.iter().find(|variation| variation.value == true)
    {
        let everyone = percent(&on.name) >= 100.0;
        return if everyone { "on".to_owned() } else { format!("on {}", shown(&on.name)) };
    }
    let served: Vec<_> = variations.iter().filter(|variation| percent(&variation.name) > 0.0).collect();
    match served.as_slice() {
        [only] if only.value.is_number() => only.value.to_string(),
        [only] => only.name.clone(),
        parts if parts.len() <= LISTED => {
            let parts: Vec<_> = parts.iter().map(|part| shown(&part.name).replace(" %", "")).collect();
            format!("{} %", parts.join(" / "))
        }
        parts => format!("split in {}", parts.len()),
    }
}

#[cfg(test)]
mod tests {
    use bellwether_core::{Rule, Serve, ValueType, Variation};
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::flags::Kind;

    fn definition(of: ValueType, values: &[(&str, Value)]) -> Definition {
        let variation = |(name, value): &(&str, Value)| Variation {
            name: (*name).to_owned(),
            value: of.canonical(value.clone()).unwrap(),
        };
        Definition {
            kind: Kind::Release,
            name: "x".to_owned(),
            description: String::new(),
            tags: Vec::new(),
            owner: String::new(),
            client_visible: false,
            variations: values.iter().map(variation).collect(),
            metadata: Map::new(),
            links: Vec::new(),
        }
    }

    fn served(definition: &Definition, weights: &[(&str, u32)]) -> String {
        let weights: Vec<_> = weights.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect();
        let fallthrough = share::new_split(&weights, "salt".to_owned());
        state(definition, &Configuration { fallthrough, ..Configuration::new("off".to_owned()) }).text
    }

    #[test]
    fn a_boolean_flag_shows_the_share_of_true() {
        let flag = definition(ValueType::Boolean, &[("on", json!(true)), ("off", json!(false))]);
        assert_eq!(served(&flag, &[("on", 25_000), ("off", 75_000)]), "on 25 %");
        assert_eq!(served(&flag, &[("on", 125), ("off", 99_875)]), "on 0.125 %");
        assert_eq!(served(&flag, &[("on", 100_000)]), "on");
        assert_eq!(state(&flag, &Configuration::new("off".to_owned())).text, "on 0 %");
    }

    #[test]
    fn others_show_their_parts() {
        let names = ["a", "b", "c", "d"];
        let values: Vec<_> = names.iter().map(|name| (*name, json!(name))).collect();
        let flag = definition(ValueType::String, &values);
        assert_eq!(served(&flag, &[("a", 50_000), ("b", 50_000)]), "50 / 50 %");
        assert_eq!(served(&flag, &[("b", 100_000)]), "b");
        assert_eq!(served(&flag, &[("a", 25_000), ("b", 25_000), ("c", 25_000), ("d", 25_000)]), "split in 4");
        let setting = definition(ValueType::Float, &[("default", json!(5))]);
        assert_eq!(served(&setting, &[("default", 100_000)]), "5.0");
    }

    #[test]
    fn rules_are_counted() {
        let flag = definition(ValueType::Boolean, &[("on", json!(true)), ("off", json!(false))]);
        let serve = Serve::Variation("on".to_owned());
        let rule = Rule { id: "r1".to_owned(), description: String::new(), clauses: Vec::new(), serve };
        let configuration = Configuration { rules: vec![rule], ..Configuration::new("off".to_owned()) };
        assert_eq!(state(&flag, &configuration).text, "on 0 %, 1 rule");
    }
}
