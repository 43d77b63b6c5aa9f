//! Flags, segments and contexts that are made from bytes, so that most of them compile.

use arbitrary::{Arbitrary, Result, Unstructured};
use bellwether_core::{
    Arm, Clause, Condition, Context, FALLTHROUGH, Flag, Keys, Layer, Operator, Prerequisite, Release, Rule, Segment,
    SegmentRule, Serve, Split, Target, Value, ValueType, Variation,
};
use serde_json::{Map, json};

/// Everything that one evaluation needs.
pub(crate) struct World {
    pub(crate) flags: Vec<Flag>,
    pub(crate) segments: Vec<Segment>,
    pub(crate) context: Context,
}

const NAMES: [&str; 7] = ["a", "b", "targetingKey", "/a/b", "/a/0", "/b~1c", "b/c"];
const KEYS: [&str; 4] = ["f1", "f2", "f3", "f4"];
const VARIATIONS: [&str; 2] = ["on", "off"];
const TEXTS: [&str; 16] = [
    "",
    "a",
    "A",
    "ab",
    "größe",
    "İ",
    "42",
    "1.2",
    "v1.2.3-rc.1+b",
    "2026-11-21T10:00:00.5+05:30",
    "36h",
    "10.0.0.1",
    "::ffff:10.0.0.0/104",
    "^1.2",
    "(a|b)*c",
    "\\w{1,9}",
];

struct Maker<'u, 'b>(&'u mut Unstructured<'b>);

impl World {
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut bytes = Unstructured::new(bytes);
        let mut maker = Maker(&mut bytes);
        Ok(Self {
            context: maker.context()?,
            flags: maker.several(4, Maker::flag)?,
            segments: maker.several(4, Maker::segment)?,
        })
    }
}

impl<'b> Maker<'_, 'b> {
    fn any<T: Arbitrary<'b>>(&mut self) -> Result<T> {
        self.0.arbitrary()
    }

    fn several<T>(&mut self, most: usize, mut one: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let count = self.0.int_in_range(0..=most)?;
        (0..count).map(|_| one(self)).collect()
    }

    fn rarely(&mut self) -> Result<bool> {
        self.0.ratio(1_u8, 32)
    }

    fn name<'s>(&mut self, of: &'s [&'s str]) -> Result<String> {
        if self.rarely()? { self.any() } else { Ok((*self.0.choose(of)?).to_owned()) }
    }

    fn text(&mut self) -> Result<String> {
        if self.0.ratio(1_u8, 4)? { self.any() } else { self.name(&TEXTS) }
    }

    fn number(&mut self) -> Result<Value> {
        Ok(match self.0.int_in_range(0..=3)? {
            0 => self.any::<i64>()?.into(),
            1 => self.any::<u64>()?.into(),
            2 => self.any::<i8>()?.into(),
            _ => self.any::<f64>()?.into(),
        })
    }

    fn value(&mut self, depth: usize) -> Result<Value> {
        Ok(match self.0.int_in_range(0..=if depth == 0 { 4 } else { 7 })? {
            0 => Value::Null,
            1 => self.any::<bool>()?.into(),
            2 | 3 => self.text()?.into(),
            4 => self.number()?,
            5 | 6 => self.several(6, |maker| maker.value(depth - 1))?.into(),
            _ => self.members(depth - 1)?.into(),
        })
    }

    fn members(&mut self, depth: usize) -> Result<Map<String, Value>> {
        let members =
            self.several(6, |maker| Ok((maker.name(&["a", "b", "targetingKey", "b/c", "0"])?, maker.value(depth)?)))?;
        Ok(members.into_iter().collect())
    }

    fn context(&mut self) -> Result<Context> {
        Ok(Context::from(self.members(3)?))
    }

    fn pair(&mut self, highest: i64) -> Result<Vec<Value>> {
        let (a, b) = (self.0.int_in_range(0..=highest)?, self.0.int_in_range(0..=highest)?);
        Ok(vec![json!(a.min(b)), json!(a.max(b))])
    }

    /// Values that an operator takes, more often than not.
    fn values(&mut self, op: Operator) -> Result<Vec<Value>> {
        if self.rarely()? {
            return self.several(4, |maker| maker.value(1));
        }
        match op {
            Operator::Exists => Ok(vec![]),
            Operator::Eq | Operator::Lt | Operator::Lte | Operator::Gt | Operator::Gte => self.several(4, Self::number),
            Operator::Between | Operator::DateBetween => self.pair(2_000_000_000_000),
            Operator::Modulo => Ok(vec![self.0.int_in_range(1_i64..=9)?.into(), 0.into()]),
            Operator::Size => self.pair(6),
            Operator::Percent => Ok([vec![self.text()?.into()], self.pair(100_000)?].concat()),
            Operator::WithinLast => Ok(vec!["36h".into()]),
            Operator::InSegment => self.several(3, |maker| maker.name(&KEYS).map(Value::from)),
            _ => self.several(12, |maker| maker.text().map(Value::from)),
        }
    }

    fn condition(&mut self, depth: usize) -> Result<Condition> {
        let form = if depth == 0 { 0 } else { self.0.int_in_range(0..=5)? };
        if form < 3 {
            let op = *self.0.choose(&Operator::ALL)?;
            let (attribute, values) = (self.name(&NAMES)?, self.values(op)?);
            let (negate, ignore_case) = (self.any()?, self.any()?);
            return Ok(Condition::Clause(Clause { attribute, op, values, negate, ignore_case }));
        }
        let group = self.several(3, |maker| maker.condition(depth - 1))?;
        Ok(match form {
            3 => Condition::All(group),
            4 => Condition::Any(group),
            _ => Condition::None(group),
        })
    }

    fn conditions(&mut self) -> Result<Vec<Condition>> {
        self.several(3, |maker| maker.condition(9))
    }

    fn serve(&mut self) -> Result<Serve> {
        if self.any()? {
            return Ok(Serve::Variation(self.name(&VARIATIONS)?));
        }
        let mut ends = self.several(3, |maker| maker.0.int_in_range(1_u32..=99_999))?;
        ends.sort_unstable();
        ends.dedup();
        ends.push(100_000);
        let ranges = ends.into_iter().map(|end| Ok((end, self.name(&VARIATIONS)?))).collect::<Result<_>>()?;
        let hash = if self.rarely()? { self.text()? } else { "xxh3-1".to_owned() };
        Ok(Serve::Split(Split { bucket_by: self.name(&NAMES)?, salt: self.text()?, hash, ranges }))
    }

    fn release(&mut self) -> Result<Release> {
        let arms = self.several(2, |maker| Ok(Arm { name: maker.text()?, variation: maker.name(&VARIATIONS)? }))?;
        let mut bounds = self.several(4, |maker| maker.0.int_in_range(0_u32..=100_000))?;
        bounds.sort_unstable();
        let ranges = bounds.chunks_exact(2).filter_map(|pair| Some((*pair.first()?, *pair.last()?))).collect();
        let layer = Layer {
            salt: self.text()?,
            bucket_by: self.name(&NAMES)?,
            ranges,
            otherwise: Some(self.name(&VARIATIONS)?),
        };
        Ok(Release {
            id: "release".to_owned(),
            place: self.name(&[FALLTHROUGH, "r0"])?,
            arms,
            metrics: vec![],
            window_seconds: 10,
            layer: self.any::<bool>()?.then_some(layer),
        })
    }

    fn typed(&mut self) -> Result<(ValueType, Vec<Variation>)> {
        let value_type = *self.0.choose(&ValueType::ALL)?;
        let mut variations = Vec::new();
        for name in VARIATIONS {
            let value = match value_type {
                ValueType::Boolean => self.any::<bool>()?.into(),
                ValueType::String => self.text()?.into(),
                ValueType::Integer => self.any::<i32>()?.into(),
                ValueType::Float => self.any::<f64>()?.into(),
                ValueType::Json => self.value(2)?,
            };
            variations.push(Variation { name: name.to_owned(), value });
        }
        Ok((value_type, variations))
    }

    fn flag(&mut self) -> Result<Flag> {
        let (value_type, variations) = self.typed()?;
        let mut at = 0;
        let rules = self.several(3, |maker| {
            at += 1;
            let (clauses, serve) = (maker.conditions()?, maker.serve()?);
            Ok(Rule { id: format!("r{}", at - 1), description: String::new(), clauses, serve })
        })?;
        let prerequisites = self.several(2, |maker| {
            let variations = vec![maker.name(&VARIATIONS)?];
            Ok(Prerequisite { flag: maker.name(&KEYS)?, variations })
        })?;
        let targets = self.several(2, |maker| {
            Ok(Target { variation: maker.name(&VARIATIONS)?, keys: maker.several(2, Self::text)? })
        })?;
        Ok(Flag {
            key: self.name(&KEYS)?,
            version: self.any()?,
            value_type,
            client_visible: self.any()?,
            enabled: !self.rarely()?,
            variations,
            off_variation: self.name(&VARIATIONS)?,
            prerequisites,
            targets,
            rules,
            fallthrough: self.serve()?,
            release: if self.any()? { Some(self.release()?) } else { None },
        })
    }

    fn keys(&mut self) -> Result<Keys> {
        let mut keys = self.several(8, Self::text)?;
        keys.sort_unstable();
        keys.dedup();
        Ok(keys.iter().map(String::as_str).collect())
    }

    fn segment(&mut self) -> Result<Segment> {
        let mut at = 0;
        let rules = self.several(3, |maker| {
            at += 1;
            Ok(SegmentRule { id: format!("r{at}"), description: String::new(), clauses: maker.conditions()? })
        })?;
        Ok(Segment {
            key: self.name(&KEYS)?,
            version: self.any()?,
            included: self.keys()?,
            excluded: self.keys()?,
            rules,
        })
    }
}
