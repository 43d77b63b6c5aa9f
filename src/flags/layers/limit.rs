//! What a release's part of a layer makes of the split that it runs on: said wherever the split is shown, so that what is
//! taken from there does not come back as a split of everyone, users of the layer's other releases among them.

use bellwether_core::allocation;
use bellwether_core::{FALLTHROUGH, Fault, Release, Variation};
use deserr::Deserr;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::share::{self, plain};
use super::super::{Configuration, Definition};
use super::{name, size};
use crate::error::{Error, Result};

/// Whom a split is for while a release that has part of a layer runs on it. It is there to be read: a split can't be
/// limited by saying so here.
#[derive(Clone, Debug, Serialize, Deserr, ToSchema)]
#[schema(as = SplitLayer)]
#[serde(deny_unknown_fields)]
#[deserr(deny_unknown_fields)]
pub(in crate::flags) struct Limit {
    /// The layer's name.
    #[schema(value_type = crate::schema::Key)]
    name: String,
    /// How much of it is in the split, in percent.
    #[serde(serialize_with = "plain")]
    #[schema(exclusive_minimum = 0, maximum = 100)]
    percentage: f64,
    /// What everyone else is served, unless it is the fallthrough.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[deserr(default)]
    otherwise: Option<String>,
}

impl PartialEq for Limit {
    /// Percentages are the same that come to as many buckets: a reader may have rounded them.
    fn eq(&self, other: &Self) -> bool {
        let key = |of: &Self| (of.name.clone(), share::buckets_of_percent(of.percentage), of.otherwise.clone());
        key(self) == key(other)
    }
}

impl Limit {
    /// Of the split at `place`, by the release on its flag.
    pub(in crate::flags) fn of(release: Option<&Release>, place: &str) -> Option<Self> {
        let layer = release.filter(|release| release.place == place)?.layer.as_ref()?;
        let percentage = share::percent_of_buckets(size(layer));
        Some(Self { name: name(&layer.salt).to_owned(), percentage, otherwise: layer.otherwise.clone() })
    }

    /// What is wrong with saying this of the split at `place`, or of a new one, with `release` on its flag.
    pub(in crate::flags) fn fault(&self, release: Option<&Release>, place: Option<&str>, at: &str) -> Option<Fault> {
        let limit = place.and_then(|place| Self::of(release, place));
        let what = match &limit {
            Some(limit) if limit == self => return None,
            Some(limit) => format!("the release that runs here has {}", limit.part()),
            None => format!("no release that runs here limits the split to {}", self.part()),
        };
        Some(Fault::new(at, format!("{what}; without `layer` the split is for whom it is for here")))
    }

    /// "20 % of layer checkout".
    fn part(&self) -> String {
        format!("{} % of layer {}", self.percentage, self.name)
    }
}

/// Whom the split is for that a release ran on, in a sentence without a final stop, names between backticks.
pub(in crate::flags) fn told(
    release: Option<&Release>,
    configuration: &Configuration,
    definition: &Definition,
) -> Option<String> {
    let place = release?.place.as_str();
    let Limit { name, percentage, otherwise } = Limit::of(release, place)?;
    let shares = allocation::shares(&share::ranges(configuration.serve(place)?));
    let share = |variation: &Variation| {
        let buckets = shares.get(&variation.name).filter(|buckets| **buckets > 0)?;
        Some(format!("`{}` {} %", variation.name, share::percent_of_buckets(*buckets)))
    };
    let shares: Vec<_> = definition.variations.iter().filter_map(share).collect();
    let whose = if place == FALLTHROUGH { "The fallthrough's".to_owned() } else { format!("Rule `{place}`'s") };
    let others = otherwise.map_or_else(|| "the fallthrough".to_owned(), |variation| format!("`{variation}`"));
    let shares = shares.join(", ");
    Some(format!("{whose} split is {shares} of the {percentage} % of layer `{name}`; everyone else gets {others}"))
}

/// Passes a version, by the release that ran on the flag then, that can be what it was with the one that runs now.
///
/// # Errors
/// [`Error::Conflict`] when its split was for part of a layer and no release is there any more to keep it so.
pub(in crate::flags) fn check_restored(version: u64, then: Option<&Release>, now: Option<&Release>) -> Result<()> {
    let Some(then) = then else { return Ok(()) };
    // The split that a release runs on stays as it is, or the change is refused for that.
    if now.is_some_and(|now| now.place == then.place) {
        return Ok(());
    }
    let Some(limit) = Limit::of(Some(then), &then.place) else { return Ok(()) };
    Err(Error::Conflict(format!(
        "version {version} is from while a release ran on {}, and that has ended; the split would be for everyone now, \
         users of the layer's other releases among them. Restore a version from before the release or from after it, \
         or start a canary anew",
        limit.part()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(place: &str, otherwise: Option<&str>) -> Release {
        serde_json::from_value(serde_json::json!({
            "id": "r", "where": place, "window_seconds": 10, "metrics": [], "arms": [],
            "layer": {"salt": "layer/checkout", "ranges": [[0, 10_000], [50_000, 60_500]], "otherwise": otherwise},
        }))
        .unwrap()
    }

    #[test]
    fn a_limit_is_what_the_release_has() {
        let on_fallthrough = release(FALLTHROUGH, Some("off"));
        let limit = Limit::of(Some(&on_fallthrough), FALLTHROUGH).unwrap();
        assert_eq!(
            serde_json::to_string(&limit).unwrap(),
            r#"{"name":"checkout","percentage":20.5,"otherwise":"off"}"#
        );
        assert!(Limit::of(Some(&on_fallthrough), "r1").is_none());
        assert!(Limit::of(None, FALLTHROUGH).is_none());
        let plain = Release { layer: None, ..on_fallthrough.clone() };
        assert!(Limit::of(Some(&plain), FALLTHROUGH).is_none());

        let fault = |limit: &Limit, release, place| limit.fault(release, place, "/at").map(|fault| fault.message);
        assert_eq!(fault(&limit, Some(&on_fallthrough), Some(FALLTHROUGH)), None);
        let rounded = Limit { percentage: 20.5 + 1e-12, ..limit.clone() };
        assert_eq!(fault(&rounded, Some(&on_fallthrough), Some(FALLTHROUGH)), None);
        for (release, place) in [(Some(&on_fallthrough), Some("r1")), (Some(&on_fallthrough), None), (None, Some("r1"))]
        {
            assert!(
                fault(&limit, release, place).unwrap().starts_with("no release that runs here limits the split to")
            );
        }
        let other = Limit { percentage: 30.0, ..limit };
        let said = fault(&other, Some(&on_fallthrough), Some(FALLTHROUGH)).unwrap();
        assert!(said.starts_with("the release that runs here has 20.5 % of layer checkout"), "{said}");
    }

    #[test]
    fn a_version_comes_back_without_its_limit_only_where_another_release_owns_the_split() {
        let (fallthrough, rule) = (release(FALLTHROUGH, Some("off")), release("r1", None));
        let plain = Release { layer: None, ..fallthrough.clone() };
        for (then, now, passes) in [
            (None, None, true),
            (Some(&plain), None, true),
            (Some(&fallthrough), Some(&fallthrough), true),
            (Some(&fallthrough), Some(&plain), true),
            (Some(&fallthrough), Some(&rule), false),
            (Some(&rule), None, false),
        ] {
            assert_eq!(check_restored(3, then, now).is_ok(), passes, "{then:?} {now:?}");
        }
    }
}
