//! Salts for splits that are new.

use std::sync::LazyLock;

use xxhash_rust::xxh3::xxh3_128_with_secret;

/// What salts are made of, apart from what they are for: random, and the same for as long as the program runs.
static SECRET: LazyLock<[u8; 192]> = LazyLock::new(rand::random);

const LENGTH: usize = 16;

/// Draws the salts of one change of a configuration. What is previewed has the salt that it is saved with, as long as
/// one program does both and the configuration stays as it is between them: so a preview tells of the very users.
///
/// Another change, another flag and another program draw others.
#[derive(Clone, Copy, Debug)]
pub struct Salts {
    flag: i64,
    environment: i64,
    version: u64,
}

impl Salts {
    /// For a change of that version of a flag's configuration in an environment, by the store's ids.
    pub fn new((flag, environment): (i64, i64), version: u64) -> Self {
        Self { flag, environment, version }
    }

    /// The salt of the split at `place`, which no other place of the configuration is called: 16 letters and digits.
    #[must_use]
    pub fn draw(self, place: &str) -> String {
        const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut what = Vec::with_capacity(24 + place.len());
        what.extend_from_slice(&self.flag.to_le_bytes());
        what.extend_from_slice(&self.environment.to_le_bytes());
        what.extend_from_slice(&self.version.to_le_bytes());
        what.extend_from_slice(place.as_bytes());
        let mut left = xxh3_128_with_secret(&what, &*SECRET);
        let mut letter = || {
            let at = usize::try_from(left % 62).unwrap_or_default();
            left /= 62;
            LETTERS.get(at).copied().map(char::from)
        };
        (0..LENGTH).filter_map(|_| letter()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_place_of_each_change_has_a_salt_of_its_own_and_keeps_it() {
        let mut seen = HashSet::new();
        for (flag, environment, version) in [(1, 1, 1), (1, 1, 2), (1, 2, 1), (2, 1, 1), (0, 1, 257), (256, 1, 1)] {
            for place in ["fallthrough", "rules/0", "rules/1", ""] {
                let draw = || Salts::new((flag, environment), version).draw(place);
                let salt = draw();
                assert_eq!(salt, draw());
                assert!(salt.len() == LENGTH && salt.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{salt}");
                assert!(seen.insert(salt));
            }
        }
    }
}
