use serde_json::Value;

/// A string in eight bytes: one of up to seven is all there; of a longer one they are a mixture of its first eight, its
/// last eight and its length, so that two of one print are nearly always the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Print(u64);

impl Print {
    #[inline]
    pub(crate) const fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let Some(start) = bytes.len().checked_sub(8) else {
            return Self(word(bytes) | ((bytes.len() as u64) << 56));
        };
        let length = if bytes.len() > 255 { 255 } else { bytes.len() as u64 };
        let mixed = word(bytes) ^ word(bytes.split_at(start).1).rotate_left(23);
        Self((mixed & (u64::MAX >> 8)) | (length << 56))
    }

    /// Whether strings that both have this print are the same.
    #[inline]
    pub(crate) fn tells(self) -> bool {
        self.0 >> 56 < 8
    }

    /// Of a string; of anything else it says nothing.
    pub(crate) fn of_value(value: &Value) -> Self {
        value.as_str().map(Self::of).unwrap_or_default()
    }

    /// Five bits of it, for a table.
    #[inline]
    pub(crate) fn slot(self) -> usize {
        (self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59) as usize
    }
}

/// The first eight bytes, as a number.
const fn word(bytes: &[u8]) -> u64 {
    match bytes.first_chunk::<8>() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => {
            let (mut word, mut rest, mut shift) = (0, bytes, 0);
            while let [first, others @ ..] = rest {
                word |= (*first as u64) << shift;
                shift += 8;
                rest = others;
            }
            word
        }
    }
}
