//! What is left of a document without what can't be read of it, and where that stands in the whole of it.
//!
//! What can't be read is replaced, so that what is beside it can be looked at: by the least that can be read there, or, in
//! a second reading, by the most, or by nothing where nothing is required. What is said of both readings does not follow
//! from what stands in.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bellwether_core::Fault;
use deserr::{Deserr, ValueKind};
use serde_json::{Value, json};

use super::Faults;
use super::places::Places;

/// Most rounds of replacing what is at fault: far more than there are levels in any document of ours.
const ROUNDS: usize = 100;
/// Most that is tried in one place before it is left out.
const TRIES: usize = 8;
/// A text that is not empty, and formed like a key.
const TEXT: &str = "stand-in";
/// A text that is a time.
const TIME: &str = "2000-01-01T00:00:00Z";
/// The largest whole number that every reader of JSON knows.
const LARGEST: u64 = 1 << 53;

/// Something that can't be read.
#[derive(Clone, Debug)]
pub(super) struct Unread {
    pub(super) fault: Fault,
    pub(super) remedy: Remedy,
}

/// What makes it readable.
#[derive(Clone, Debug)]
pub(super) enum Remedy {
    /// It is not there, and has to be.
    Add,
    /// Nothing may be there.
    Remove,
    /// Something of this kind.
    Kind(ValueKind),
    /// One of some names, of which these are the first and the last.
    Name(String, String),
    /// Something else of its kind.
    Other,
}

/// What stands in for what can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing, zero, false: the least.
    Least,
    /// No member where none is required, else the most.
    Most,
}

/// A document with something else in place of what is at fault.
pub(super) struct Rest {
    /// With all elements, so that those after one that is left out keep their places.
    document: Value,
    standing: Standing,
    left_out: LeftOut,
    /// How often something was tried in each place.
    tried: HashMap<String, usize>,
}

/// The elements left out of each list: those that nothing can stand in for.
#[derive(Clone, Debug, Default)]
pub(super) struct LeftOut(BTreeMap<String, BTreeSet<usize>>);

impl Rest {
    pub(super) fn new(document: Value, standing: Standing) -> Self {
        Self { document, standing, left_out: LeftOut::default(), tried: HashMap::new() }
    }

    /// Reads what can be read without what is at fault, if what remains is enough, and tells which elements it lacks.
    pub(super) fn read<T: Deserr<Faults>>(mut self, unread: &[Unread]) -> Option<(T, LeftOut)> {
        let wrong = |unread: &Unread| (unread.fault.pointer.clone(), unread.remedy.clone());
        let mut wrong: Vec<_> = unread.iter().map(wrong).collect();
        // Each round replaces something, a member, an element or what it belongs to.
        for _ in 0..ROUNDS {
            let mut mended = Places::default();
            for (pointer, remedy) in &wrong {
                if !mended.relate(pointer) {
                    mended.insert(self.mend(pointer, remedy)?);
                }
            }
            match deserr::deserialize::<T, _, Faults>(self.remaining()) {
                Ok(read) => return Some((read, self.left_out)),
                Err(faults) => {
                    let faults = faults.0.into_iter();
                    let wrong_again = |unread: Unread| (self.left_out.place(&unread.fault.pointer), unread.remedy);
                    wrong = faults.map(wrong_again).collect();
                }
            }
        }
        None
    }

    /// Mends what stands at a pointer, or takes out the innermost member or element around it. Returns where, or `None`
    /// when only the whole document is left.
    fn mend<'p>(&mut self, pointer: &'p str, remedy: &Remedy) -> Option<&'p str> {
        let (mut at, mut remedy) = (pointer, remedy);
        while let Some((parent, name)) = at.rsplit_once('/') {
            if self.mend_in(parent, name, at, remedy) {
                return Some(at);
            }
            (at, remedy) = (parent, &Remedy::Remove);
        }
        None
    }

    /// Whether something could be done about the member or element of that name.
    fn mend_in(&mut self, parent: &str, name: &str, at: &str, remedy: &Remedy) -> bool {
        let tried = self.tried.entry(at.to_owned()).or_default();
        *tried += 1;
        let (first, spent) = (*tried == 1, *tried > TRIES);
        match self.document.pointer_mut(parent) {
            Some(Value::Object(members)) => {
                let name = name.replace("~1", "/").replace("~0", "~");
                let bare = first && self.standing == Standing::Most;
                if bare && members.remove(&name).is_some() {
                    return true;
                }
                let stand_in = if spent { None } else { self.standing.of(remedy, members.get(&name)) };
                match stand_in {
                    Some(stand_in) => {
                        members.insert(name, stand_in);
                        true
                    }
                    None => members.remove(&name).is_some(),
                }
            }
            Some(Value::Array(elements)) => {
                let Some((index, element)) =
                    name.parse().ok().and_then(|index: usize| Some((index, elements.get_mut(index)?)))
                else {
                    return false;
                };
                let stand_in = if spent { None } else { self.standing.of(remedy, Some(&*element)) };
                match stand_in {
                    Some(stand_in) => {
                        *element = stand_in;
                        true
                    }
                    None => self.left_out.0.entry(parent.to_owned()).or_default().insert(index),
                }
            }
            _ => false,
        }
    }

    fn remaining(&self) -> Value {
        let mut document = self.document.clone();
        // Backwards, for inner lists come after those they are in.
        for (list, left_out) in self.left_out.0.iter().rev() {
            if let Some(Value::Array(elements)) = document.pointer_mut(list) {
                let mut index = 0..;
                elements.retain(|_| index.next().is_none_or(|index| !left_out.contains(&index)));
            }
        }
        document
    }
}

impl Standing {
    /// What may stand where something can't be read.
    fn of(self, remedy: &Remedy, now: Option<&Value>) -> Option<Value> {
        match remedy {
            Remedy::Remove => None,
            // Whatever is wanted is told when this is not.
            Remedy::Add => Some(Value::Null),
            Remedy::Kind(kind) => Some(self.of_kind(*kind)),
            Remedy::Name(first, last) => Some(json!(if self == Self::Least { first } else { last })),
            Remedy::Other => self.other(now?),
        }
    }

    fn of_kind(self, kind: ValueKind) -> Value {
        let least = self == Self::Least;
        match kind {
            ValueKind::Null => Value::Null,
            ValueKind::Boolean => json!(!least),
            ValueKind::Integer | ValueKind::NegativeInteger => json!(if least { 0 } else { LARGEST }),
            ValueKind::Float => json!(if least { 0.0 } else { f64::MAX }),
            ValueKind::String => json!(if least { "" } else { TEXT }),
            ValueKind::Sequence => json!([]),
            ValueKind::Map => json!({}),
        }
    }

    /// What may stand in place of a value of the right kind that is refused for another reason.
    fn other(self, now: &Value) -> Option<Value> {
        match now {
            Value::String(text) if text == TIME => None,
            Value::String(text) if text == TEXT => Some(json!(TIME)),
            Value::String(_) => Some(json!(TEXT)),
            Value::Number(number) if *number == 1.into() => None,
            Value::Number(number) if *number == 0.into() || *number == LARGEST.into() => Some(json!(1)),
            Value::Number(_) => Some(self.of_kind(ValueKind::Integer)),
            Value::Array(elements) if !elements.is_empty() => Some(json!([])),
            _ => None,
        }
    }
}

impl LeftOut {
    /// Whether an element of this list is left out.
    pub(super) fn is_from(&self, list: &str) -> bool {
        self.0.contains_key(list)
    }

    /// Where in the whole document something is that stands at `pointer` in what remains of it.
    pub(super) fn place(&self, pointer: &str) -> String {
        let mut place = String::with_capacity(pointer.len());
        for name in pointer.split('/').skip(1) {
            let index = self.0.get(&place).and_then(|left_out| {
                let remaining: usize = name.parse().ok()?;
                // Each element left out before it moves it on by one.
                Some(left_out.iter().fold(remaining, |index, gone| if *gone <= index { index + 1 } else { index }))
            });
            place.push('/');
            match index {
                Some(index) => place.push_str(&index.to_string()),
                None => place.push_str(name),
            }
        }
        place
    }
}
