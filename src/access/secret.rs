use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// SHA-256 of a secret.
pub(super) type Digest = [u8; 32];

/// The digest that a stored hash stands for.
pub(super) fn digest_of(hash: &str) -> Option<Digest> {
    URL_SAFE_NO_PAD.decode(hash).ok()?.try_into().ok()
}

/// A token or password that is never printed, logged or stored as it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret somebody showed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// A new random secret of 256 bits behind `prefix`.
    pub fn random(prefix: &str) -> Self {
        let bytes: [u8; 32] = rand::random();
        Self(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// What is stored of it and looked up: SHA-256, which is enough for 256 random bits.
    ///
    /// A look-up by this hash takes the same time whatever the secret nearly was.
    pub fn hash(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.digest())
    }

    /// What [`Secret::hash`] writes as text.
    pub(super) fn digest(&self) -> Digest {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// A secret that follows from this one for another purpose, and from which this one does not follow.
    pub fn derived(&self, purpose: &str) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::new().chain_update(purpose).chain_update([0]).chain_update(&self.0).finalize())
    }

    /// Whether `shown` is what [`Secret::derived`] gives, in a time that does not tell how nearly it was.
    pub fn has_derived(&self, purpose: &str, shown: &str) -> bool {
        self.derived(purpose).as_bytes().ct_eq(shown.as_bytes()).into()
    }

    /// The text, for the one who is to have it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_derived_is_known_again() {
        let (secret, other) = (Secret::new("bw_ses_a"), Secret::new("bw_ses_b"));
        let derived = secret.derived("csrf");
        assert!(secret.has_derived("csrf", &derived));
        for wrong in ["", "csrf", derived.get(1..).unwrap(), &format!("{derived}="), &other.derived("csrf")] {
            assert!(!secret.has_derived("csrf", wrong), "{wrong}");
        }
        assert!(!secret.has_derived("other", &derived));
    }
}
