//! Keys out of a text, a key per line, as it comes in.

use bellwether_core::{Fault, Keys, limits};

use super::lists::{rising, too_much, wrong};
use crate::error::{Error, Result};

/// Most lines that are told to be wrong.
const FAULTS: usize = 100;
/// Keys that are put in order together.
const BATCH: usize = 1 << 16;
/// What some programs put before a text in UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The keys of the lines so far. A key that comes twice is kept twice only until there are as many new ones.
#[derive(Debug, Default)]
pub(super) struct Lines {
    keys: Keys,
    /// How many of them are in order.
    ordered: usize,
    /// The beginning of a line whose end is still to come; of one that is too long, no more than shows it.
    rest: Vec<u8>,
    number: u64,
    faults: Vec<Fault>,
    full: bool,
}

impl Lines {
    /// Takes in the next part of the text.
    pub(super) fn take(&mut self, part: &[u8]) {
        let mut pieces = part.split(|byte| *byte == b'\n');
        if let Some(last) = pieces.next_back() {
            for piece in pieces {
                self.extend(piece);
                self.line();
            }
            self.extend(last);
        }
    }

    /// Whether it is time to [`compact`](Self::compact).
    pub(super) fn is_due(&self) -> bool {
        self.keys.len() >= self.ordered + self.ordered.max(BATCH)
    }

    /// Puts what is there in order. It takes up to half a second, and no async thread has that.
    pub(super) fn compact(mut self) -> Self {
        self.keys = rising(self.keys);
        self.ordered = self.keys.len();
        self.full = self.full || self.ordered > limits::SEGMENT_KEYS;
        self
    }

    /// The keys, in order.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every line that is wrong, up to 100.
    pub(super) fn finish(mut self) -> Result<Keys> {
        if !self.rest.is_empty() {
            self.line();
        }
        let done = self.compact();
        let whole = too_much(&done.keys, "");
        let faults: Vec<_> = done.faults.into_iter().chain(whole).collect();
        if done.full && faults.is_empty() {
            return Err(Error::invalid("", format!("at most {} keys", limits::SEGMENT_KEYS)));
        }
        Error::unless_empty(faults)?;
        Ok(done.keys)
    }

    fn extend(&mut self, piece: &[u8]) {
        // The end of line and the byte order mark are no part of a key.
        let room = limits::TARGETING_KEY_LENGTH + 1 + BYTE_ORDER_MARK.len() + 1;
        let taken = piece.get(..room.saturating_sub(self.rest.len())).unwrap_or(piece);
        self.rest.extend_from_slice(taken);
    }

    fn line(&mut self) {
        let line = std::mem::take(&mut self.rest);
        self.number += 1;
        let bytes = line.strip_suffix(b"\r").unwrap_or(&line);
        let marked = if self.number == 1 { bytes.strip_prefix(BYTE_ORDER_MARK) } else { None };
        let bytes = marked.unwrap_or(bytes);
        if !bytes.is_empty() && !self.full {
            self.key(bytes);
        }
        self.rest = line;
        self.rest.clear();
    }

    fn key(&mut self, bytes: &[u8]) {
        let fault = if bytes.len() > limits::TARGETING_KEY_LENGTH {
            // It may have been cut within a character.
            wrong(&"x".repeat(bytes.len()))
        } else {
            match std::str::from_utf8(bytes) {
                Ok(key) => wrong(key).or_else(|| self.keys.push(key).err().map(|long| long.to_string())),
                Err(_) => Some("is not UTF-8".to_owned()),
            }
        };
        if let Some(message) = fault.filter(|_| self.faults.len() < FAULTS) {
            self.faults.push(Fault::new(format!("/lines/{}", self.number), message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(parts: &[&[u8]]) -> Result<Keys> {
        let mut lines = Lines::default();
        for part in parts {
            lines.take(part);
            if lines.is_due() {
                lines = lines.compact();
            }
        }
        lines.finish()
    }

    fn pointers(text: &[u8]) -> Vec<String> {
        let Err(Error::Invalid(faults)) = read(&[text]) else { panic!() };
        faults.into_iter().map(|fault| fault.pointer).collect()
    }

    #[test]
    fn each_line_is_a_key() {
        for text in ["b\na\n", "b\r\na", "\u{feff}a\n\n\r\nb\nb\na\n", "a\nb\n\n\n"] {
            assert_eq!(read(&[text.as_bytes()]).unwrap().iter().collect::<Vec<_>>(), ["a", "b"], "{text:?}");
        }
        assert!(read(&[]).unwrap().is_empty() && read(&[b"\n", b"\r\n"]).unwrap().is_empty());
        assert_eq!(read(&[" a \n\u{feff}".as_bytes()]).unwrap().iter().collect::<Vec<_>>(), [" a ", "\u{feff}"]);
    }

    #[test]
    fn lines_that_are_wrong_are_named() {
        let long = "é".repeat(501);
        let text = format!("a\n{long}\nb\0\nc\rd\n{}\r\n", "x".repeat(1_000));
        assert_eq!(pointers(text.as_bytes()), ["/lines/2", "/lines/3", "/lines/4"]);
        assert_eq!(pointers(b"\xff\n\nb\n\xc3"), ["/lines/1", "/lines/4"]);
        assert_eq!(pointers(&b"\0\n".repeat(1_000)).len(), FAULTS);
        assert_eq!(pointers(&vec![b'x'; 5 << 20]), ["/lines/1"]);
    }

    #[test]
    fn more_than_a_million_are_refused() {
        let number = |at: usize| format!("{at}\n").into_bytes();
        let all: Vec<_> = (0..=limits::SEGMENT_KEYS).map(number).collect();
        let parts: Vec<_> = all.iter().map(Vec::as_slice).collect();
        assert_eq!(read(&parts[1..]).unwrap().len(), limits::SEGMENT_KEYS);
        assert!(matches!(read(&parts), Err(Error::Invalid(faults)) if faults.len() == 1));
        let twice: Vec<_> = parts[1..].iter().chain(&parts[1..]).copied().collect();
        assert_eq!(read(&twice).unwrap().len(), limits::SEGMENT_KEYS, "a key that comes again counts once");
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_text_is_cut(
            text in proptest::collection::vec(proptest::sample::select(b"ab\xc3\xa9\r\n\n\0".to_vec()), 0..60),
            at in 0..60_usize,
        ) {
            let (first, second) = text.split_at(at.min(text.len()));
            let outcome = |parts: &[&[u8]]| match read(parts) {
                Ok(keys) => Ok(keys),
                Err(error) => Err(error.faults().to_vec()),
            };
            prop_assert_eq!(outcome(&[&text]), outcome(&[first, second]));
        }
    }
}
