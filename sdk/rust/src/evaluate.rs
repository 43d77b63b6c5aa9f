//! Evaluation as a type of Rust.

use std::sync::Arc;

use bellwether_core::{Context, Entry, ErrorCode, Evaluation, Now, State, Value, ValueType};

use crate::clock;
use crate::in_use::{InUse, Slot};

/// A type that a flag is read as.
pub(crate) trait FlagValue: Sized {
    /// The only type of flag that it is read from.
    const TYPE: ValueType;

    /// The value, if it is of this type.
    fn read(value: &Value) -> Option<Self>;
}

impl FlagValue for bool {
    const TYPE: ValueType = ValueType::Boolean;

    fn read(value: &Value) -> Option<Self> {
        value.as_bool()
    }
}

impl FlagValue for String {
    const TYPE: ValueType = ValueType::String;

    fn read(value: &Value) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }
}

impl FlagValue for i64 {
    const TYPE: ValueType = ValueType::Integer;

    fn read(value: &Value) -> Option<Self> {
        value.as_i64()
    }
}

impl FlagValue for f64 {
    const TYPE: ValueType = ValueType::Float;

    fn read(value: &Value) -> Option<Self> {
        value.as_f64()
    }
}

impl FlagValue for Value {
    const TYPE: ValueType = ValueType::Json;

    fn read(value: &Value) -> Option<Self> {
        Some(value.clone())
    }
}

/// What a flag served, with its value as a type of Rust.
#[derive(Debug)]
pub(crate) struct Found<'s, T> {
    pub(crate) value: T,
    pub(crate) evaluation: Evaluation<'s>,
    /// The flag of the release that it was served for, and the arm.
    pub(crate) met: Option<(&'s Arc<Entry>, usize)>,
}

/// What a flag serves, whatever its type.
pub(crate) fn evaluate_any<'s>(
    state: &'s State,
    entry: &'s Arc<Entry>,
    context: &Context,
) -> Result<Found<'s, Value>, ErrorCode> {
    let evaluation = state.evaluate_entry(entry, context, Now::Of(clock::milliseconds))?;
    Ok(Found { value: evaluation.value.clone(), evaluation, met: None })
}

/// What the flag `key` serves, and the flag, for whoever counts it; one of another type than `T` is an error whatever its value looks like.
#[inline(always)]
pub(crate) fn evaluate<'s, T: FlagValue>(
    in_use: Option<&'s InUse>,
    key: &str,
    context: &Context,
) -> Result<(Found<'s, T>, &'s Slot), ErrorCode> {
    let in_use = in_use.ok_or(ErrorCode::ProviderNotReady)?;
    let slot = in_use.flag(key).ok_or(ErrorCode::FlagNotFound)?;
    if slot.entry.flag().value_type() != T::TYPE {
        return Err(ErrorCode::TypeMismatch);
    }
    let evaluation = in_use.state().evaluate_entry(&slot.entry, context, Now::Of(clock::milliseconds))?;
    let value = T::read(evaluation.value).ok_or(ErrorCode::TypeMismatch)?;
    Ok((Found { value, evaluation, met: None }, slot))
}
