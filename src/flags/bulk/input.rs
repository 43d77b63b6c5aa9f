//! An action on many flags as it is sent.

use std::collections::HashSet;

use bellwether_core::Fault;
use deserr::Deserr;
use utoipa::ToSchema;

use super::{Action, Bulk, MOST};
use crate::error::{Error, Result};
use crate::flags::definition::{TAG_LENGTH, TAGS};
use crate::flags::history::reason_fault;
use crate::input::{Faults, Found};

/// What is done to each flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserr, ToSchema)]
#[deserr(error = Faults, rename_all = lowercase)]
#[schema(rename_all = "lowercase")]
pub enum BulkAction {
    /// Turn the kill switch on.
    Enable,
    /// Turn it off.
    Disable,
    /// Add and remove tags.
    Tag,
    /// Take out of use.
    Archive,
}

/// `POST P/flags:bulk`, as it is sent.
#[derive(Clone, Debug, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
#[schema(as = Bulk)]
pub struct BulkInput {
    /// What to do.
    pub action: BulkAction,
    /// The keys of 1 to 500 flags, none twice.
    #[schema(min_items = 1, max_items = 500)]
    pub flags: Vec<String>,
    /// For `enable` and `disable`: where.
    #[deserr(default)]
    pub environment: Option<String>,
    /// For `tag`: tags that each flag is to have.
    #[deserr(default)]
    #[schema(required = false)]
    pub add: Vec<String>,
    /// For `tag`: tags that none is to have.
    #[deserr(default)]
    #[schema(required = false)]
    pub remove: Vec<String>,
    /// Why.
    #[deserr(default)]
    #[schema(required = false, max_length = 1_000)]
    pub reason: String,
}

impl BulkInput {
    /// The action, if it is in order.
    ///
    /// # Errors
    /// Every fault that shows without a look at the flags.
    pub fn checked(self) -> Result<Bulk> {
        let (bulk, faults) = self.planned();
        Error::unless_empty(faults).map(|()| bulk)
    }

    /// The action as far as it can be told, and every fault that shows without a look at the flags.
    pub fn planned(self) -> (Bulk, Vec<Fault>) {
        let mut faults = self.faults();
        match (self.action, self.environment.as_deref()) {
            (BulkAction::Enable | BulkAction::Disable, None | Some("")) => {
                faults.push(Fault::new("/environment", "is required: the key of the environment"));
            }
            (BulkAction::Tag | BulkAction::Archive, Some(_)) => {
                faults.push(Fault::new("/environment", "is for `enable` and `disable` alone"));
            }
            _ => {}
        }
        let action = match self.action {
            BulkAction::Archive => Action::Archive,
            BulkAction::Tag => Action::Tag { add: self.add, remove: self.remove },
            switch @ (BulkAction::Enable | BulkAction::Disable) => Action::Switch {
                environment: self.environment.unwrap_or_default(),
                enabled: switch == BulkAction::Enable,
            },
        };
        (Bulk { action, flags: self.flags, reason: self.reason, found: Found::default() }, faults)
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults: Vec<_> = reason_fault(&self.reason).into_iter().collect();
        if self.flags.is_empty() || self.flags.len() > MOST {
            faults.push(Fault::new("/flags", format!("names 1 to {MOST} flags")));
        }
        let mut seen = HashSet::new();
        for (index, key) in self.flags.iter().enumerate().filter(|(_, key)| !seen.insert(key.as_str())) {
            faults.push(Fault::new(format!("/flags/{index}"), format!("flag {key} is named twice")));
        }
        let tags = [("add", &self.add), ("remove", &self.remove)];
        if self.action != BulkAction::Tag {
            let given = tags.into_iter().filter(|(_, tags)| !tags.is_empty());
            faults.extend(given.map(|(name, _)| Fault::new(format!("/{name}"), "is for `tag` alone")));
        } else if tags.iter().all(|(_, tags)| tags.is_empty()) {
            faults.push(Fault::new("/add", "give tags to `add`, to `remove`, or both"));
        }
        let long = tags.into_iter().filter(|(_, tags)| tags.len() > TAGS);
        let long: Vec<_> =
            long.map(|(name, _)| Fault::new(format!("/{name}"), format!("at most {TAGS} tags"))).collect();
        if !long.is_empty() {
            faults.extend(long);
            return faults;
        }
        for (index, tag) in self.add.iter().enumerate() {
            if !(1..=TAG_LENGTH).contains(&tag.chars().count()) {
                faults.push(Fault::new(format!("/add/{index}"), format!("has 1 to {TAG_LENGTH} characters")));
            } else if self.remove.contains(tag) {
                faults.push(Fault::new(format!("/add/{index}"), format!("`{tag}` is to be removed as well")));
            }
        }
        faults
    }
}
