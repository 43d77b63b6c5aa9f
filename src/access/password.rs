use std::sync::Arc;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use super::Secret;
use crate::error::{Error, Result};

/// Argon2id, at most two at once and off the async threads: each takes 19 MiB and tens of milliseconds.
#[derive(Clone)]
pub(super) struct Passwords {
    places: Arc<Semaphore>,
}

/// Compared with when there is no such user, so that an answer takes as long as for one that exists.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$X0nAx2LGRKSFxV1CQ9DZ0jM0wTCRjVHJGYqqaHqzBoM";

impl Passwords {
    pub(super) fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(2)) }
    }

    /// Whether `password` is the one that `hash` was made of; `None` for a user that does not exist.
    pub(super) async fn verify(&self, password: Secret, hash: Option<String>) -> Result<bool> {
        let place = self.places.clone().acquire_owned().await.map_err(Error::internal)?;
        let known = hash.is_some();
        let work = move || {
            let hash = hash.unwrap_or_else(|| NOBODY.to_owned());
            let parsed = PasswordHash::new(&hash).map_err(|error| Error::internal(error.to_string()))?;
            let matches = argon2()?.verify_password(password.reveal().as_bytes(), &parsed).is_ok();
            drop(place);
            Ok(matches && known)
        };
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
    }
}

/// The hash to store of a password.
///
/// # Errors
/// When the system has no randomness.
pub fn hash_password(password: &Secret) -> Result<String> {
    let salt: [u8; 16] = rand::random();
    let salt = SaltString::encode_b64(&salt).map_err(|error| Error::internal(error.to_string()))?;
    let hash = argon2()?.hash_password(password.reveal().as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(|error| Error::internal(error.to_string()))
}

/// OWASP's first recommendation: 19 MiB, two passes.
fn argon2() -> Result<Argon2<'static>> {
    let parameters = Params::new(19_456, 2, 1, None).map_err(|error| Error::internal(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters))
}
