//! TLS by rustls with the provider ring and Mozilla's root certificates, the same for HTTP and WebSocket.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

/// The configuration that both clients use.
///
/// The provider is named here because a process-wide default is the application's to choose, not a library's.
pub(crate) fn config() -> Result<ClientConfig, rustls::Error> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    Ok(ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
