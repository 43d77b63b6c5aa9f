//! A snapshot's body in each content coding, made once per revision and shared by all who fetch it.

use std::io::Write as _;
use std::sync::{Arc, OnceLock};

use bellwether_core::State;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Not at all.
    Identity,
    /// Zstandard.
    Zstd,
    /// Gzip.
    Gzip,
}

impl Coding {
    /// The best coding that an `Accept-Encoding` header admits. Weights are not weighed but for 0, which forbids.
    pub fn accepted(header: &str) -> Self {
        let admits = |name: &str| {
            header.split(',').any(|part| {
                let mut parts = part.split(';').map(str::trim);
                let named = parts.next().is_some_and(|coding| coding.eq_ignore_ascii_case(name));
                let forbidden = parts.any(|parameter| {
                    parameter.strip_prefix("q=").and_then(|q| q.parse::<f64>().ok()).is_some_and(|q| q == 0.0)
                });
                named && !forbidden
            })
        };
        if admits("zstd") {
            Self::Zstd
        } else if admits("gzip") {
            Self::Gzip
        } else {
            Self::Identity
        }
    }
}

/// A snapshot's body.
pub struct Encoded {
    plain: Arc<[u8]>,
    zstd: OnceLock<Arc<[u8]>>,
    gzip: OnceLock<Arc<[u8]>>,
}

impl Encoded {
    pub(super) fn of(state: &State) -> Self {
        let plain = serde_json::to_vec(&state.to_snapshot()).unwrap_or_default();
        Self { plain: plain.into(), zstd: OnceLock::new(), gzip: OnceLock::new() }
    }

    /// The body in `coding`, or uncompressed with [`Coding::Identity`] should compression fail.
    pub fn body(&self, coding: Coding) -> (Coding, Arc<[u8]>) {
        let compressed = match coding {
            Coding::Identity => return (coding, self.plain.clone()),
            Coding::Zstd => self.zstd.get_or_init(|| zstd(&self.plain)),
            Coding::Gzip => self.gzip.get_or_init(|| gzip(&self.plain)),
        };
        if compressed.is_empty() { (Coding::Identity, self.plain.clone()) } else { (coding, compressed.clone()) }
    }
}

fn zstd(plain: &[u8]) -> Arc<[u8]> {
    zstd::bulk::compress(plain, 3).unwrap_or_default().into()
}

fn gzip(plain: &[u8]) -> Arc<[u8]> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let written = encoder.write_all(plain).and_then(|()| encoder.finish());
    written.unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_coding_that_is_accepted() {
        for (header, coding) in [
            ("", Coding::Identity),
            ("gzip", Coding::Gzip),
            ("gzip, deflate, br, zstd", Coding::Zstd),
            ("zstd;q=0, gzip;q=0.5", Coding::Gzip),
            ("GZIP; q=1.0", Coding::Gzip),
            ("br", Coding::Identity),
        ] {
            assert_eq!(Coding::accepted(header), coding, "{header}");
        }
    }
}
