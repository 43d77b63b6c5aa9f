//! A Dockerfile as a list of instructions.

use std::collections::BTreeMap;
use std::str::FromStr;

/// One instruction, on one line.
#[derive(Clone, Debug)]
pub(super) struct Instruction {
    /// Where it begins, counted from 1.
    pub(super) line: usize,
    /// In capitals.
    pub(super) name: String,
    /// What follows, with single spaces.
    pub(super) text: String,
    /// The parts of that.
    pub(super) words: Vec<String>,
}

impl Instruction {
    /// The exec form, `["a", "b"]`.
    pub(super) fn list(&self) -> Vec<String> {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("line {}: {error}", self.line))
    }

    /// `A=1 B=2`.
    pub(super) fn assignments(&self) -> BTreeMap<String, String> {
        let pairs = self.words.iter().map(|word| word.split_once('=').expect("a variable has a value"));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

/// The instructions in order.
pub(super) struct Dockerfile(Vec<Instruction>);

impl FromStr for Dockerfile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const KNOWN: [&str; 12] = [
            "ARG",
            "CMD",
            "COPY",
            "ENTRYPOINT",
            "ENV",
            "EXPOSE",
            "FROM",
            "HEALTHCHECK",
            "RUN",
            "USER",
            "VOLUME",
            "WORKDIR",
        ];
        let mut instructions = Vec::new();
        let mut lines = text.lines().zip(1..).filter(|(line, _)| !line.trim_start().starts_with('#'));
        while let Some((first, line)) = lines.next() {
            let mut whole = first.trim().to_owned();
            while let Some(open) = whole.strip_suffix('\\') {
                let (next, _) = lines.next().ok_or("it ends within an instruction")?;
                whole = format!("{} {}", open.trim_end(), next.trim());
            }
            if whole.is_empty() {
                continue;
            }
            let mut words = whole.split_whitespace().map(str::to_owned);
            let name = words.next().unwrap_or_default();
            if !KNOWN.contains(&name.as_str()) {
                return Err(format!("line {line}: no instruction: {name}"));
            }
            let words: Vec<_> = words.collect();
            instructions.push(Instruction { line, name, text: words.join(" "), words });
        }
        match instructions.first() {
            Some(first) if first.name == "FROM" => Ok(Self(instructions)),
            _ => Err("it does not begin with FROM".to_owned()),
        }
    }
}

impl Dockerfile {
    /// Every instruction of that name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Instruction> {
        self.0.iter().filter(move |instruction| instruction.name == name)
    }

    /// What the stages begin with.
    pub(super) fn images(&self) -> Vec<String> {
        self.all("FROM").map(|from| from.words[0].clone()).collect()
    }

    /// The instructions of the stage that becomes the image.
    pub(super) fn last_stage(&self) -> Vec<Instruction> {
        let start = self.0.iter().rposition(|instruction| instruction.name == "FROM").unwrap();
        self.0[start..].to_vec()
    }
}
