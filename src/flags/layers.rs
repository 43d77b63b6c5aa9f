//! Layers: names under which releases share the users of an environment out among them, so that no two have one in
//! common. What a release holds stands in the release itself, which its flag is served with: there is no second list
//! that could say something else, and what ends is free.

mod free;
mod limit;

use std::collections::BTreeMap;

use bellwether_core::{Fault, Layer, Release};
use deserr::Deserr;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(super) use limit::{Limit, check_restored, told};

use super::share::{self, plain};
use super::{Flags, store};
use crate::access::{Caller, Role};
use crate::db::{Connection, Part};
use crate::error::{Error, Result};
use crate::projects::{self, well_formed_key};

/// The part of a layer's users that a release asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Deserr, ToSchema)]
#[schema(as = LayerPart)]
#[serde(deny_unknown_fields)]
#[deserr(deny_unknown_fields)]
pub struct LayerPart {
    /// The layer's name; there is nothing else to it.
    #[schema(value_type = crate::schema::Key)]
    pub name: String,
    /// How much of it, in percent, with up to three decimals.
    #[serde(serialize_with = "plain")]
    #[schema(exclusive_minimum = 0, maximum = 100)]
    pub percentage: f64,
}

impl LayerPart {
    /// How much it is in buckets, from 1 on.
    ///
    /// # Errors
    /// What a percentage may be.
    fn buckets(&self) -> Result<u32, &'static str> {
        let buckets = share::buckets_of_percent(self.percentage)?;
        if buckets == 0 { Err("is a percentage above 0") } else { Ok(buckets) }
    }

    /// Everything wrong with it.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let name = well_formed_key(self.name.clone()).err().map(|reject| Fault::new("/name", reject.0));
        let percentage = self.buckets().err().map(|message| Fault::new("/percentage", message));
        name.into_iter().chain(percentage).collect()
    }
}

/// Begins the salts of layers.
const SALT: &str = "layer/";

/// The salt by which a user's bucket in a layer is found. It follows from the name alone, no id of the store takes part:
/// in a copy of the store, and where releases are made anew elsewhere, each user is where they were.
fn salt(name: &str) -> String {
    format!("{SALT}{name}")
}

/// The layer of that salt.
fn name(salt: &str) -> &str {
    salt.strip_prefix(SALT).unwrap_or(salt)
}

/// A release's part of a layer, out of what no other release of the environment holds in the transaction at hand, which
/// has to write the release: as much as can be of what the flag's last release had, so that the same users take part.
/// `bucket_by` is the attribute that the release's split hashes.
///
/// # Errors
/// [`Error::Conflict`] when too little is free, or the others go by another attribute and could have a user in common
/// with it; the faults of `part`.
pub fn take(
    connection: &mut Connection<'_>,
    environment: i64,
    (part, before): (&LayerPart, Option<&Layer>),
    bucket_by: &str,
    otherwise: Option<String>,
) -> Result<Layer> {
    let wanted = part.buckets().map_err(|message| Error::invalid("/layer/percentage", message.to_owned()))?;
    let salt = salt(&part.name);
    let mut holders = holders(connection, environment)?;
    holders.retain(|(_, _, layer)| layer.salt == salt);
    if let Some((flag, _, layer)) = holders.iter().find(|(_, _, layer)| layer.bucket_by != bucket_by) {
        return Err(Error::Conflict(format!(
            "layer {} is handed out by {}, to {flag}; a release on a split by {bucket_by} could have users in common \
             with it",
            part.name, layer.bucket_by
        )));
    }
    let free = free::free(&spans(&holders));
    let before = before.filter(|layer| (&*layer.salt, &*layer.bucket_by) == (&*salt, bucket_by));
    let Some(ranges) = free::hand_out(&free, before.map_or(&[], |layer| &layer.ranges), wanted) else {
        let percent = |buckets: u32| format!("{} %", share::percent_of_buckets(buckets));
        let held = |(flag, _, layer): &Held| format!("{flag} ({})", percent(free::size(&layer.ranges)));
        return Err(Error::Conflict(format!(
            "{} of layer {} is free, less than {}; held by {}",
            percent(free::size(&free)),
            part.name,
            percent(wanted),
            holders.iter().map(held).collect::<Vec<_>>().join(", ")
        )));
    };
    Ok(Layer { salt, bucket_by: bucket_by.to_owned(), ranges, otherwise })
}

/// Buckets of a layer that a release holds.
pub(super) fn size(layer: &Layer) -> u32 {
    free::size(&layer.ranges)
}

/// Buckets of a layer that both hold.
pub(super) fn common(one: &Layer, other: &Layer) -> u32 {
    free::size(&free::common(&one.ranges, &other.ranges))
}

/// A flag's key, its release and what this holds.
type Held = (String, String, Layer);

/// The releases of an environment that hold part of a layer, by flag.
fn holders(connection: &mut Connection<'_>, environment: i64) -> Result<Vec<Held>> {
    let releases = store::releases_in(connection, environment)?.into_iter();
    Ok(releases.filter_map(|(flag, Release { id, layer, .. })| Some((flag, id, layer?))).collect())
}

fn spans(holders: &[Held]) -> Vec<free::Span> {
    holders.iter().flat_map(|(_, _, layer)| layer.ranges.iter().copied()).collect()
}

/// A layer that releases of an environment have part of.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Layer)]
pub struct LayerView {
    /// Its name.
    pub name: String,
    /// The attribute whose value is hashed.
    pub bucket_by: String,
    /// How many of its 100,000 buckets nobody holds.
    pub free_buckets: u32,
    /// The same in percent.
    pub free_percentage: f64,
    /// The releases that hold the rest, by flag.
    pub holders: Vec<LayerHolder>,
}

/// A release and its part of a layer.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LayerHolder {
    /// The flag's key.
    pub flag: String,
    /// The release.
    pub release: String,
    /// How many buckets it holds.
    pub buckets: u32,
    /// The same in percent.
    pub percentage: f64,
    /// Which they are: `[from, to)`, rising.
    pub ranges: Vec<(u32, u32)>,
}

impl LayerView {
    fn of(name: String, holders: Vec<Held>) -> Self {
        let free_buckets = free::size(&free::free(&spans(&holders)));
        let bucket_by = holders.first().map(|(_, _, layer)| layer.bucket_by.clone()).unwrap_or_default();
        let holder = |(flag, release, layer): Held| {
            let buckets = size(&layer);
            let percentage = share::percent_of_buckets(buckets);
            LayerHolder { flag, release, buckets, percentage, ranges: layer.ranges }
        };
        let free_percentage = share::percent_of_buckets(free_buckets);
        Self { name, bucket_by, free_buckets, free_percentage, holders: holders.into_iter().map(holder).collect() }
    }
}

impl Flags {
    /// The layers that releases of an environment have part of, by name.
    ///
    /// # Errors
    /// When the caller may not, or there is no such environment.
    pub async fn layers(&self, caller: &Caller, project: String, environment: String) -> Result<Vec<LayerView>> {
        caller.require(Role::Viewer)?;
        let work = move |c: &mut Connection<'_>| {
            let environment = projects::environment(c, &project, &environment)?;
            let mut by_name: BTreeMap<String, Vec<Held>> = BTreeMap::new();
            for held in holders(c, environment.id())? {
                let name = name(&held.2.salt).to_owned();
                by_name.entry(name).or_default().push(held);
            }
            Ok(by_name.into_iter().map(|(name, holders)| LayerView::of(name, holders)).collect())
        };
        self.store.read(Part::Configuration, work).await
    }
}
