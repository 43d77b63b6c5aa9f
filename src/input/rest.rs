//! What is left of a document without what can't be read of it, and where that stands in the whole of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bellwether_core::Fault;
use deserr::Deserr;
use serde_json::{Value, json};

use super::Faults;
use super::places::Places;

/// Most rounds of taking out what is at fault: far more than there are levels in any document of ours.
const ROUNDS: usize = 100;

/// A document without the members and elements at fault.
pub(super) struct Rest {
    /// Without the members; elements stay, so that those after them keep their places.
    document: Value,
    left_out: LeftOut,
    /// How many of [`stand_ins`] were tried for each required member that is missing or can't be read.
    tried: HashMap<String, usize>,
}

/// The elements left out of each list.
#[derive(Clone, Debug, Default)]
pub(super) struct LeftOut(BTreeMap<String, BTreeSet<usize>>);

impl Rest {
    pub(super) fn new(document: Value) -> Self {
        Self { document, left_out: LeftOut::default(), tried: HashMap::new() }
    }

    /// Reads what can be read without what is at fault, if what remains is enough, and tells which elements it lacks.
    pub(super) fn read<T: Deserr<Faults>>(mut self, faults: &[Fault]) -> Option<(T, LeftOut)> {
        let mut wrong: Vec<String> = faults.iter().map(|fault| fault.pointer.clone()).collect();
        // Each round takes something out, a member, an element or what it belongs to.
        for _ in 0..ROUNDS {
            let mut removed = Places::default();
            for pointer in &wrong {
                if !removed.relate(pointer) {
                    removed.insert(self.remove(pointer)?);
                }
            }
            match deserr::deserialize::<T, _, Faults>(self.remaining()) {
                Ok(read) => return Some((read, self.left_out)),
                Err(faults) => wrong = faults.0.iter().map(|fault| self.left_out.place(&fault.pointer)).collect(),
            }
        }
        None
    }

    /// Takes out what stands at a pointer, or the innermost member or element around it; what is required gets a stand-in.
    /// Returns where, or `None` when only the whole document is left.
    fn remove<'p>(&mut self, pointer: &'p str) -> Option<&'p str> {
        let mut at = pointer;
        while let Some((parent, name)) = at.rsplit_once('/') {
            let removed = match self.document.pointer_mut(parent) {
                Some(Value::Object(members)) => {
                    let name = name.replace("~1", "/").replace("~0", "~");
                    let tried = self.tried.entry(at.to_owned()).or_default();
                    // What can do without is first left out; what is asked for again after that is required.
                    if members.remove(&name).is_some() && *tried == 0 {
                        true
                    } else if let Some(stand_in) = stand_ins().into_iter().nth(*tried) {
                        *tried += 1;
                        members.insert(name, stand_in);
                        true
                    } else {
                        false
                    }
                }
                Some(Value::Array(elements)) => {
                    let index = name.parse().ok().filter(|index| *index < elements.len());
                    index.is_some_and(|index| self.left_out.0.entry(parent.to_owned()).or_default().insert(index))
                }
                _ => false,
            };
            if removed {
                return Some(at);
            }
            at = parent;
        }
        None
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

/// What may stand where something is required, so that the rest can be looked at: what is said of it follows from that, and
/// is not told.
fn stand_ins() -> [Value; 5] {
    [json!({}), json!([]), json!(""), json!(false), json!(0)]
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
