//! Sets of places in a document, by their JSON Pointers.

use std::collections::HashSet;

/// Places, with what they belong to at hand.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    at: HashSet<String>,
    /// What they belong to.
    above: HashSet<String>,
}

impl Places {
    pub(super) fn insert(&mut self, pointer: &str) {
        if self.at.insert(pointer.to_owned()) {
            self.above.extend(parents(pointer).map(str::to_owned));
        }
    }

    /// Whether one of them is there, leads there, or is reached through there.
    pub(super) fn relate(&self, pointer: &str) -> bool {
        self.above.contains(pointer) || self.reach(pointer)
    }

    /// Whether one of them is there or leads there.
    pub(super) fn reach(&self, pointer: &str) -> bool {
        let has = |place: &str| self.at.contains(place);
        has(pointer) || parents(pointer).any(has)
    }

    /// What they belong to.
    pub(super) fn above(&self) -> impl Iterator<Item = &String> {
        self.above.iter()
    }
}

impl<'p> FromIterator<&'p str> for Places {
    fn from_iter<I: IntoIterator<Item = &'p str>>(pointers: I) -> Self {
        let mut places = Self::default();
        pointers.into_iter().for_each(|pointer| places.insert(pointer));
        places
    }
}

/// What a place belongs to, the innermost first, the whole document last.
fn parents(pointer: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(pointer.rsplit_once('/'), |(parent, _)| parent.rsplit_once('/')).map(|(parent, _)| parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_above_or_below_is_related() {
        let places: Places = ["/a/1/b", "/c"].into_iter().collect();
        for related in ["/a/1/b", "/a/1/b/x/y", "/a/1", "/a", "", "/c", "/c/0"] {
            assert!(places.relate(related), "{related}");
        }
        for apart in ["/a/1/bb", "/a/10", "/a/2", "/cc", "/d", "/"] {
            assert!(!places.relate(apart), "{apart}");
        }
        assert!(places.reach("/a/1/b") && places.reach("/a/1/b/x") && !places.reach("/a/1"));
        let whole: Places = [""].into_iter().collect();
        assert!(whole.relate("/x") && whole.relate(""));
        assert!(!Places::default().relate(""));
    }
}
