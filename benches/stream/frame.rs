//! As much of RFC 6455 as it takes to count messages.

/// Opcode of a text frame.
pub(crate) const TEXT: u8 = 1;
/// Opcode of a ping.
pub(crate) const PING: u8 = 9;
/// Opcode of a pong.
pub(crate) const PONG: u8 = 10;

/// What stands at the beginning of some bytes.
pub(crate) enum Cut {
    /// A whole frame of so many bytes.
    Frame {
        /// With its head.
        length: usize,
    },
    /// Less.
    Part,
}

/// Kind and length of the payload of a frame without a mask, once its head is whole.
pub(crate) fn head(bytes: &[u8]) -> Option<(u8, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let length = match second & 0x7f {
        126 => usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
        127 => usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?,
        short => usize::from(short),
    };
    Some((first & 0x0f, length))
}

/// Bytes of the head that [`head`] reads.
fn head_length(bytes: &[u8]) -> usize {
    match bytes.get(1).map(|second| second & 0x7f) {
        Some(126) => 4,
        Some(127) => 10,
        _ => 2,
    }
}

/// Whether a whole frame is there.
pub(crate) fn cut(bytes: &[u8]) -> Cut {
    match head(bytes).map(|(_, payload)| head_length(bytes) + payload) {
        Some(length) if bytes.len() >= length => Cut::Frame { length },
        _ => Cut::Part,
    }
}

/// A short frame from a client, with a mask of zeros.
pub(crate) fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match u8::try_from(payload.len()) {
        Ok(short) if short < 126 => frame.push(0x80 | short),
        _ => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(payload.len()).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// A text frame from a server, of so many bytes in all.
pub(crate) fn text(length: usize) -> Vec<u8> {
    let payload = match length {
        0..=127 => length.saturating_sub(2),
        128..=65_539 => length - 4,
        _ => length - 10,
    };
    let mut frame = vec![0x80 | TEXT];
    match payload {
        0..=125 => frame.push(u8::try_from(payload).unwrap_or_default()),
        126..=65_535 => {
            frame.push(126);
            frame.extend(u16::try_from(payload).unwrap_or_default().to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend((payload as u64).to_be_bytes());
        }
    }
    frame.resize(length, b' ');
    frame
}
