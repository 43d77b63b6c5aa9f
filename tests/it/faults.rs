//! A fault of a document is told whatever else is wrong with it, and nothing else is told: each of many, alone and together
//! with each other.

mod canary;
mod changes;
mod flags;
mod projects;
mod reports;
mod tokens;

use serde_json::Value;

use crate::harness::{Answer, Call};

/// One thing made wrong: what stands at a place instead (nothing: the member is left out), and the places that are told.
struct Wrong {
    at: &'static str,
    instead: Option<Value>,
    told: Vec<String>,
}

fn wrong(at: &'static str, instead: Value) -> Wrong {
    Wrong { at, instead: Some(instead), told: vec![at.to_owned()] }
}

fn missing(at: &'static str) -> Wrong {
    Wrong { at, instead: None, told: vec![at.to_owned()] }
}

impl Wrong {
    /// Told below where it stands.
    fn told(self, below: &[&str]) -> Self {
        Self { told: below.iter().map(|rest| format!("{}{rest}", self.at)).collect(), ..self }
    }

    /// Told in other places.
    fn elsewhere(self, told: &[&str]) -> Self {
        Self { told: told.iter().map(|place| (*place).to_owned()).collect(), ..self }
    }

    /// # Panics
    /// When there is no such place.
    fn put_into(&self, document: &mut Value) {
        let (parent, name) = self.at.rsplit_once('/').unwrap();
        match (document.pointer_mut(parent).unwrap(), &self.instead) {
            (Value::Object(members), Some(value)) => drop(members.insert(name.to_owned(), value.clone())),
            (Value::Object(members), None) => drop(members.remove(name).unwrap()),
            (Value::Array(elements), Some(value)) => elements[name.parse::<usize>().unwrap()] = value.clone(),
            (other, _) => panic!("{}: {other}", self.at),
        }
    }

    /// Whether both can be wrong at once: neither stands in the other.
    fn goes_with(&self, other: &Self) -> bool {
        let within = |inner: &str, outer: &str| inner == outer || inner.starts_with(&format!("{outer}/"));
        !within(self.at, other.at) && !within(other.at, self.at)
    }
}

/// What is told: where, and in what words, but for what changes with time.
fn words(answer: &Answer) -> Vec<(String, String)> {
    let text = |fault: &Value, member: &str| fault[member].as_str().unwrap().to_owned();
    let problem = answer.json();
    let told = problem["errors"].as_array().unwrap().iter();
    let told = told.map(|fault| (text(fault, "pointer"), text(fault, "message").split(';').next().unwrap().to_owned()));
    let mut told: Vec<_> = told.collect();
    told.sort();
    told
}

/// # Panics
/// Unless each of `all` in `right` is told, alone and in the same words with each other.
async fn told_together(call: impl Fn(&Value) -> Call, right: &Value, all: &[Wrong]) {
    let told = async |these: &[&Wrong]| {
        let mut document = right.clone();
        these.iter().for_each(|one| one.put_into(&mut document));
        let mut expected: Vec<_> = these.iter().flat_map(|one| one.told.clone()).collect();
        expected.sort();
        expected.dedup();
        let answer = call(&document).await;
        let mut told = answer.faults();
        told.dedup();
        assert_eq!(told, expected, "{document}: {answer}");
        (words(&answer), format!("{document}: {answer}"))
    };
    let mut alone = Vec::with_capacity(all.len());
    for one in all {
        alone.push(told(&[one]).await.0);
    }
    for (at, (one, told_of_one)) in all.iter().zip(&alone).enumerate() {
        let rest = all.iter().zip(&alone).skip(at + 1);
        for (other, told_of_other) in rest.filter(|(other, _)| one.goes_with(other)) {
            let (together, about) = told(&[one, other]).await;
            let mut expected = [told_of_one.clone(), told_of_other.clone()].concat();
            expected.sort();
            expected.dedup();
            assert_eq!(together, expected, "{about}");
        }
    }
}
