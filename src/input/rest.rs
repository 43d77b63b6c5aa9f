//! What is left of a document without what can't be read of it, and where that stands in the whole of it.
//!
//! What can't be read is replaced, so that what is beside it can be looked at, each time by something else that can be read
//! there: what is said of all readings alike does not follow from what stands in.

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
    /// One of these names.
    Name(Vec<String>),
    /// A list of that many elements.
    Length(usize),
    /// Something else of its kind.
    Other,
}

/// What stands in for what can't be read: always something, for something is there or has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing, zero, false, the first name.
    Least,
    /// The largest number, true, a text, the last name.
    Most,
    /// The lowest number, the second name.
    Lowest,
    /// One, the third name.
    One,
}

/// A document with something else in place of what is at fault.
pub(super) struct Rest {
    /// With all elements, so that those after one that is left out keep their places.
    document: Value,
    standing: Standing,
    left_out: LeftOut,
    /// What nothing could stand in for: members, elements, and what they belong to.
    gone: Places,
    /// How often something was tried in each place.
    tried: HashMap<String, usize>,
    /// Numbers that something else stands in for.
    numbers: usize,
}

/// What could be read of a document.
pub(super) struct Reading<T> {
    pub(super) read: T,
    pub(super) left_out: LeftOut,
    /// What is there and nothing could stand in for: what is said of it, or of what it belongs to, may follow from that.
    pub(super) gone: Places,
}

/// The elements left out of each list: those that nothing can stand in for.
#[derive(Clone, Debug, Default)]
pub(super) struct LeftOut(BTreeMap<String, BTreeSet<usize>>);

impl Rest {
    pub(super) fn new(document: Value, standing: Standing) -> Self {
        Self {
            document,
            standing,
            left_out: LeftOut::default(),
            gone: Places::default(),
            tried: HashMap::new(),
            numbers: 0,
        }
    }

    /// Reads what can be read without what is at fault, if what remains is enough.
    pub(super) fn read<T: Deserr<Faults>>(mut self, unread: &[Unread]) -> Option<Reading<T>> {
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
                Ok(read) => return Some(Reading { read, left_out: self.left_out, gone: self.gone }),
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
            if let Some(stands) = self.mend_in(parent, name, at, remedy) {
                // What is not known is no loss.
                let unknown = at == pointer && matches!(remedy, Remedy::Remove);
                if !stands && !unknown {
                    self.gone.insert(at);
                }
                return Some(at);
            }
            (at, remedy) = (parent, &Remedy::Remove);
        }
        None
    }

    /// Whether something stands there now, if something could be done about the member or element of that name.
    fn mend_in(&mut self, parent: &str, name: &str, at: &str, remedy: &Remedy) -> Option<bool> {
        let tried = self.tried.entry(at.to_owned()).or_default();
        *tried += 1;
        let spent = *tried > TRIES;
        let standing = self.standing.for_number(remedy, &mut self.numbers);
        match self.document.pointer_mut(parent)? {
            Value::Object(members) => {
                let name = name.replace("~1", "/").replace("~0", "~");
                let stand_in = if spent { None } else { standing.of(remedy, members.get(&name)) };
                match stand_in {
                    Some(stand_in) => {
                        members.insert(name, stand_in);
                        Some(true)
                    }
                    None => members.remove(&name).map(|_| false),
                }
            }
            Value::Array(elements) => {
                let index: usize = name.parse().ok()?;
                let element = elements.get_mut(index)?;
                let stand_in = if spent { None } else { standing.of(remedy, Some(&*element)) };
                match stand_in {
                    Some(stand_in) => {
                        *element = stand_in;
                        Some(true)
                    }
                    None => self.left_out.0.entry(parent.to_owned()).or_default().insert(index).then_some(false),
                }
            }
            _ => None,
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
    /// All of them: as many as tell the names of our shorter lists apart.
    pub(super) const ALL: [Self; 4] = [Self::Least, Self::Most, Self::Lowest, Self::One];

    /// The highest and the lowest number take turns: of two that can't be read, one may well be the lower end and the
    /// other the upper.
    fn for_number(self, remedy: &Remedy, numbers: &mut usize) -> Self {
        if !matches!(remedy, Remedy::Kind(ValueKind::Float)) {
            return self;
        }
        *numbers += 1;
        match self {
            Self::Most if numbers.is_multiple_of(2) => Self::Lowest,
            Self::Lowest if numbers.is_multiple_of(2) => Self::Most,
            other => other,
        }
    }

    /// What may stand where something can't be read.
    fn of(self, remedy: &Remedy, now: Option<&Value>) -> Option<Value> {
        match remedy {
            Remedy::Remove => None,
            // Whatever is wanted is told when this is not.
            Remedy::Add => Some(Value::Null),
            Remedy::Kind(kind) => Some(self.of_kind(*kind)),
            Remedy::Name(names) => self.name(names).map(|name| json!(name)),
            Remedy::Length(length) => Some(vec![Value::Null; *length].into()),
            Remedy::Other => self.other(now?),
        }
    }

    fn name(self, names: &[String]) -> Option<&String> {
        let last = names.last();
        match self {
            Self::Least => names.first(),
            Self::Most => last,
            Self::Lowest => names.get(1).or(last),
            Self::One => names.get(2).or(last),
        }
    }

    fn of_kind(self, kind: ValueKind) -> Value {
        match kind {
            ValueKind::Null => Value::Null,
            ValueKind::Boolean => json!(matches!(self, Self::Most | Self::One)),
            ValueKind::Integer | ValueKind::NegativeInteger => match self {
                Self::Least | Self::Lowest => json!(0),
                Self::Most => json!(LARGEST),
                Self::One => json!(1),
            },
            ValueKind::Float => match self {
                Self::Least => json!(0.0),
                Self::Most => json!(f64::MAX),
                Self::Lowest => json!(f64::MIN),
                Self::One => json!(1.0),
            },
            ValueKind::String => json!(if self == Self::Least { "" } else { TEXT }),
            // What an element has to be is told of what it is not.
            ValueKind::Sequence => json!(if self == Self::Least { &[][..] } else { &[()][..] }),
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
