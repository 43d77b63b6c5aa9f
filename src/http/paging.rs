use bellwether_core::Fault;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Items of a list when nothing else is asked for.
const DEFAULT: usize = 100;
/// Most items of one answer.
const MOST: usize = 500;

/// `?limit=&cursor=`, as they came.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Paging {
    limit: Option<String>,
    cursor: Option<String>,
}

impl Paging {
    /// How many items are asked for: 1 to 500, 100 by default.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn limit(&self) -> Result<usize> {
        let Some(text) = &self.limit else { return Ok(DEFAULT) };
        let limit = text.parse().ok().filter(|limit| (1..=MOST).contains(limit));
        limit.ok_or_else(|| Error::Invalid(vec![Fault::new("/limit", format!("is a number from 1 to {MOST}"))]))
    }

    /// Where the last answer ended, in the form of that list.
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// The part of `all`, a list in the order of `key`, that is asked for.
    pub fn slice<T>(&self, all: Vec<T>, limit: usize, key: impl Fn(&T) -> &str) -> Page<T> {
        let after = |item: &T| self.cursor().is_none_or(|cursor| key(item) > cursor);
        let items = all.into_iter().filter(after).take(limit + 1).collect();
        Page::of(items, limit, |item| key(item).to_owned())
    }

    /// The cursor as a number.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn number(&self) -> Result<Option<i64>> {
        let invalid = |_| Error::invalid("/cursor", "is not one that this list gave");
        self.cursor.as_ref().map(|cursor| cursor.parse().map_err(invalid)).transpose()
    }
}

/// A part of a list.
#[derive(Clone, Debug, Serialize)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Give this as `cursor` for more; null at the end.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A page from up to one more item than `limit`: the surplus one shows that there are more.
    pub fn of(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = if more { items.last().map(cursor) } else { None };
        Self { items, next_cursor }
    }
}
