use std::fmt::Display;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bellwether_core::Fault;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::error::{Error, Result};

/// Items of a list when nothing else is asked for.
const DEFAULT: usize = 100;
/// Most items of one answer.
const MOST: usize = 500;
/// What a cursor begins with once decoded, so that other text is told from one.
const MARK: &str = "after:";

/// `?limit=&cursor=`, as they came.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// Most items of the answer.
    #[param(value_type = u16, required = false, minimum = 1, maximum = 500, default = 100)]
    limit: Option<String>,
    /// Where the last answer ended: its `next_cursor`.
    #[param(value_type = String, required = false)]
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
    ///
    /// # Errors
    /// [`Error::Invalid`] for what no list has given.
    pub fn cursor(&self) -> Result<Option<String>> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let text = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let end = text.as_deref().and_then(|text| text.strip_prefix(MARK)).filter(|end| !end.contains('\0'));
        end.map(|end| Some(end.to_owned())).ok_or_else(not_ours)
    }

    /// The part of `all`, in the order of `key` whatever the store's, that is asked for.
    ///
    /// # Errors
    /// As [`Paging::cursor`].
    pub fn slice<T>(&self, mut all: Vec<T>, limit: usize, key: impl Fn(&T) -> &str) -> Result<Page<T>> {
        let cursor = self.cursor()?;
        all.sort_by(|a, b| key(a).cmp(key(b)));
        let after = |item: &T| cursor.as_ref().is_none_or(|cursor| key(item) > cursor.as_str());
        let items = all.into_iter().filter(after).take(limit + 1).collect();
        Ok(Page::of(items, limit, |item| key(item).to_owned()))
    }

    /// The cursor as a number.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn number(&self) -> Result<Option<i64>> {
        self.cursor()?.map(|cursor| cursor.parse().map_err(|_| not_ours())).transpose()
    }
}

fn not_ours() -> Error {
    Error::invalid("/cursor", "is not one that this list gave")
}

/// A part of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Give this as `cursor` for more; null at the end.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A page from up to one more item than `limit`: the surplus one shows that there are more. `end` names an item's
    /// place in the list.
    pub fn of(mut items: Vec<T>, limit: usize, end: impl Fn(&T) -> String) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let last = if more { items.last().map(end) } else { None };
        Self::ending(items, last)
    }

    /// A page of a list that goes on after `end`, if there are more.
    pub fn ending(items: Vec<T>, end: Option<impl Display>) -> Self {
        Self { items, next_cursor: end.map(|end| URL_SAFE_NO_PAD.encode(format!("{MARK}{end}"))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(cursor: &str) -> Paging {
        Paging { limit: None, cursor: Some(cursor.to_owned()) }
    }

    #[test]
    fn a_list_goes_on_where_it_ended() {
        let page = Page::of(vec!["a", "b", "c"], 2, |item| (*item).to_owned());
        let next = asked(&page.next_cursor.unwrap());
        assert_eq!(next.cursor().unwrap().as_deref(), Some("b"));
        let rest = next.slice(vec!["c", "b", "a"], 2, |item| item).unwrap();
        assert_eq!((rest.items, rest.next_cursor), (vec!["c"], None));
        let number = Page::of(vec![7, 6], 1, ToString::to_string);
        assert_eq!(asked(&number.next_cursor.unwrap()).number().unwrap(), Some(7));
    }

    #[test]
    fn other_text_is_no_cursor() {
        let others = ["", "garbage", "7", "feature.a", "YWZ0ZXI", "YWZ0ZXI6YQ==", "\u{fc}"];
        for other in others {
            assert!(asked(other).cursor().is_err(), "{other}");
        }
        assert!(asked(&URL_SAFE_NO_PAD.encode("after:x")).number().is_err());
        assert!(asked(&URL_SAFE_NO_PAD.encode("after:a\0")).cursor().is_err());
    }
}
