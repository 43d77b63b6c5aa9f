//! Those who want to know when other flags come into use.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bellwether_core::State;

/// What is different since other flags came into use.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlagsChanged {
    /// The environment's revision that is in use now.
    pub revision: u64,
    /// Keys of the flags that are new, changed or gone, in order.
    pub flags: Vec<String>,
    /// Keys of the segments that are new, changed or gone, in order: flags with rules on them may serve something else.
    pub segments: Vec<String>,
}

pub(crate) type Listener = Arc<dyn Fn(&FlagsChanged) + Send + Sync>;

#[derive(Default)]
pub(crate) struct Listeners {
    all: Mutex<Registered>,
}

#[derive(Default)]
struct Registered {
    next: u64,
    all: Vec<(u64, Listener)>,
}

/// Keeps a listener; it hears nothing any more once this is dropped.
#[must_use = "the listener is gone when this is dropped"]
pub struct Subscription {
    listeners: Weak<Listeners>,
    id: u64,
}

impl FlagsChanged {
    fn between(before: Option<&State>, after: &State) -> Self {
        let flags = |state: &State| -> Vec<_> {
            state.flags().map(|entry| (entry.flag().key().to_owned(), entry.digest().to_owned())).collect()
        };
        let segments = |state: &State| -> Vec<_> {
            state.segments().map(|entry| (entry.key().to_owned(), entry.digest().to_owned())).collect()
        };
        let of = |list: &dyn Fn(&State) -> Vec<(String, String)>| {
            different(before.map(list).unwrap_or_default(), list(after))
        };
        Self { revision: after.revision(), flags: of(&flags), segments: of(&segments) }
    }
}

/// The keys that only one side has, or that have another digest there.
fn different(mut before: Vec<(String, String)>, mut after: Vec<(String, String)>) -> Vec<String> {
    before.sort_unstable();
    after.sort_unstable();
    let gone = before.iter().filter(|one| after.binary_search(one).is_err());
    let new = after.iter().filter(|one| before.binary_search(one).is_err());
    let mut keys: Vec<_> = gone.chain(new).map(|(key, _)| key.clone()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

impl Listeners {
    pub(crate) fn add(self: &Arc<Self>, listener: impl Fn(&FlagsChanged) + Send + Sync + 'static) -> Subscription {
        let mut registered = self.lock();
        let id = registered.next;
        registered.next += 1;
        registered.all.push((id, Arc::new(listener)));
        Subscription { listeners: Arc::downgrade(self), id }
    }

    /// Those who are to hear of what `change` brings into use: who comes later finds it there.
    pub(crate) fn of_change(&self, change: impl FnOnce()) -> Vec<Listener> {
        let registered = self.lock();
        change();
        registered.all.iter().map(|(_, listener)| Arc::clone(listener)).collect()
    }

    /// Tells `all`, one after the other. No lock is held, as a listener may end its own subscription.
    pub(crate) fn tell(all: Vec<Listener>, before: Option<&State>, after: &State) {
        if all.is_empty() {
            return;
        }
        let changed = FlagsChanged::between(before, after);
        for listener in all {
            // What the application does in there must not end the updates of its flags.
            if catch_unwind(AssertUnwindSafe(|| listener(&changed))).is_err() {
                tracing::error!(revision = changed.revision, "a listener to changes of flags panicked");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Registered> {
        // No code that holds the lock can leave the list half done.
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(listeners) = self.listeners.upgrade() {
            listeners.lock().all.retain(|(id, _)| *id != self.id);
        }
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listeners").field("count", &self.lock().all.len()).finish()
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixture;

    #[test]
    fn what_is_new_changed_or_gone_is_told() {
        let flag = |key: &str, value: bool| fixture::constant(key, "boolean", json!(value));
        let before = fixture::state("e", 1, vec![flag("same", true), flag("other", true), flag("gone", true)]);
        let after = fixture::state("e", 4, vec![flag("same", true), flag("other", false), flag("new", true)]);
        let changed = FlagsChanged::between(Some(&before), &after);
        assert_eq!((changed.revision, changed.flags), (4, vec!["gone".into(), "new".into(), "other".to_owned()]));
        let first = FlagsChanged::between(None, &before);
        assert_eq!(first.flags, ["gone", "other", "same"]);
    }

    #[test]
    fn who_panics_harms_nobody_and_who_is_dropped_hears_nothing() {
        let listeners = Arc::<Listeners>::default();
        let state = fixture::state("e", 1, vec![]);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hear = |name: &'static str| {
            let heard = Arc::clone(&heard);
            listeners.add(move |changed| heard.lock().unwrap().push((name, changed.revision)))
        };
        let one = hear("one");
        let _rude = listeners.add(|_| panic!("a listener's own fault"));
        let _two = hear("two");
        Listeners::tell(listeners.of_change(|| ()), None, &state);
        drop(one);
        Listeners::tell(listeners.of_change(|| ()), Some(&state), &state);
        assert_eq!(*heard.lock().unwrap(), [("one", 1), ("two", 1), ("two", 1)]);
    }

    #[test]
    fn who_comes_with_a_change_finds_it_and_does_not_hear_of_it() {
        let listeners = Arc::<Listeners>::default();
        let _first = listeners.add(|_| ());
        let mut late = None;
        let told = listeners.of_change(|| {
            let listeners = Arc::clone(&listeners);
            late = Some(std::thread::spawn(move || listeners.add(|_| ())));
        });
        assert_eq!(told.len(), 1);
        let _late = late.unwrap().join().unwrap();
        assert_eq!(listeners.of_change(|| ()).len(), 2);
    }
}
