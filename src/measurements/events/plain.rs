//! Events without a fault, read in one pass: only what the flags ask for is taken out of the text.

use std::borrow::Cow;
use std::fmt;

use bellwether_core::{ContextBuffer, Entry};
use chrono::{DateTime, Utc};
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::super::input::{COUNT, MAGNITUDE, is_short};
use super::super::{AHEAD, Origin};
use super::minute::Minute;
use super::sums::{Event, Sums};
use super::{Against, EVENTS, FLAGS, Gathered};

/// What the events of `body` sum up to; nothing where anything is not as usual.
pub(super) fn read(body: &str, against: Against<'_>) -> Option<Gathered> {
    // No text may hold it, wherever it stands.
    if body.contains("\\u0000") {
        return None;
    }
    let mut reader = serde_json::Deserializer::from_str(body);
    let read = reader.deserialize_map(Batch { against }).ok()?;
    reader.end().ok()?;
    Some(read)
}

struct Batch<'s> {
    against: Against<'s>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum BatchMember {
    Instance,
    Sequence,
    Events,
}

impl<'de> Visitor<'de> for Batch<'_> {
    type Value = Gathered;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `events`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Gathered, A::Error> {
        let (mut instance, mut sequence, mut sums) = (None, None, None);
        while let Some(member) = map.next_key()? {
            let again = match member {
                BatchMember::Instance => instance.replace(map.next_value::<String>()?).is_some(),
                BatchMember::Sequence => sequence.replace(map.next_value::<u64>()?).is_some(),
                BatchMember::Events => {
                    let all = Events::new(self.against);
                    sums.replace(map.next_value_seed(all)?).is_some()
                }
            };
            if again {
                return Err(A::Error::custom("twice"));
            }
        }
        let sums = sums.ok_or_else(|| A::Error::missing_field("events"))?;
        let origin = match (instance, sequence) {
            (None, None) => None,
            (Some(instance), Some(sequence)) if is_short(&instance) && sequence <= COUNT => {
                Some(Origin { instance, sequence })
            }
            _ => return Err(A::Error::custom("no origin")),
        };
        Ok(sums.gathered(origin))
    }
}

struct Events<'s> {
    against: Against<'s>,
    sums: Sums<'s>,
    /// No event is later.
    latest: DateTime<Utc>,
    /// Of the event that is read, as are the flags.
    context: ContextBuffer,
    flags: Vec<&'s Entry>,
    minute: Minute,
}

impl<'s> Events<'s> {
    fn new(against: Against<'s>) -> Self {
        Self {
            against,
            sums: Sums::new(against),
            latest: against.now + AHEAD,
            context: ContextBuffer::default(),
            flags: Vec::new(),
            minute: Minute::default(),
        }
    }
}

impl<'de, 's> DeserializeSeed<'de> for Events<'s> {
    type Value = Sums<'s>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Sums<'s>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, 's> Visitor<'de> for Events<'s> {
    type Value = Sums<'s>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut events: A) -> Result<Sums<'s>, A::Error> {
        for _ in 0..EVENTS {
            if events.next_element_seed(One(&mut self))?.is_none() {
                return Ok(self.sums);
            }
        }
        if events.next_element::<serde::de::IgnoredAny>()?.is_some() {
            return Err(A::Error::custom("too many"));
        }
        Ok(self.sums)
    }
}

struct One<'a, 's>(&'a mut Events<'s>);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum EventMember {
    Context,
    Metric,
    Value,
    At,
    Label,
    Flags,
}

/// A text, as it stands in the body where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> DeserializeSeed<'de> for One<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for One<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self(events) = self;
        let Against { asked, now, .. } = events.against;
        let (mut metric, mut value, mut label) = (None::<Text<'de>>, None::<f64>, None::<Text<'de>>);
        let (mut at, mut somebody, mut flagged) = (None::<DateTime<Utc>>, false, false);
        while let Some(member) = map.next_key()? {
            match member {
                EventMember::Context => {
                    map.next_value_seed(events.context.refill(Some(asked)))?;
                    somebody = true;
                }
                EventMember::Metric => metric = Some(map.next_value()?),
                EventMember::Value => value = Some(map.next_value()?),
                EventMember::At => at = map.next_value_seed(Moment(&mut events.minute))?,
                EventMember::Label => label = map.next_value()?,
                EventMember::Flags => {
                    map.next_value_seed(Flags(events))?;
                    flagged = true;
                }
            }
        }
        let (Some(metric), Some(value), true, true) = (metric, value, somebody, flagged) else {
            return Err(A::Error::custom("lacks something"));
        };
        let at = at.unwrap_or(now);
        let fine = is_short(&metric.0)
            && label.as_ref().is_none_or(|label| label.0.is_empty() || is_short(&label.0))
            && value.abs() <= MAGNITUDE
            && at <= events.latest;
        if !fine {
            return Err(A::Error::custom("at fault"));
        }
        let (context, label) = (events.context.context(), label.as_ref().map(|label| &*label.0));
        events.sums.add(&Event { context, metric: &metric.0, value, at, label }, &events.flags);
        Ok(())
    }
}

/// Reads a time; null is none.
struct Moment<'a>(&'a mut Minute);

impl<'de> DeserializeSeed<'de> for Moment<'_> {
    type Value = Option<DateTime<Utc>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let Some(Text(text)) = Option::<Text<'de>>::deserialize(deserializer)? else { return Ok(None) };
        self.0.read(&text).map(Some).ok_or_else(|| D::Error::custom("no time"))
    }
}

/// Reads keys of flags, and leaves the flags that there are, each once.
struct Flags<'a, 's>(&'a mut Events<'s>);

impl<'de> DeserializeSeed<'de> for Flags<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Flags<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of keys")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut keys: A) -> Result<(), A::Error> {
        let Self(Events { against, flags, .. }) = self;
        flags.clear();
        let mut left = FLAGS;
        while let Some(Text(key)) = keys.next_element()? {
            left = left.checked_sub(1).ok_or_else(|| A::Error::custom("too many"))?;
            add(flags, against.state.flag(&key).map(|entry| &**entry));
        }
        Ok(())
    }
}

/// Adds a flag that is not there yet.
pub(super) fn add<'s>(flags: &mut Vec<&'s Entry>, flag: Option<&'s Entry>) {
    if let Some(flag) = flag
        && !flags.iter().any(|other| std::ptr::eq(*other, flag))
    {
        flags.push(flag);
    }
}
