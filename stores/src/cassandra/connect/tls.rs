//! TLS to the nodes.
//!
//! The driver finds nodes by address, so it expects a certificate for a node's *address*, whatever
//! the contact points are called. Most certificates of clusters hold host names instead. This
//! verifier accepts a certificate that names the node's address or a host of the contact points,
//! and no other. Each of these names comes from the manifest or from the cluster itself.

use std::sync::Arc;

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};

use crate::{ErrorKind, Fault, contract::TlsOptions};

/// Returns the client configuration of TLS for nodes that are reached through `contact_points`.
/// Fails with `Tls` if a certificate or key can't be used.
pub(crate) fn config(options: &TlsOptions, contact_points: &[String]) -> Result<Arc<ClientConfig>, Fault> {
    // Explicit, because the default of the process depends on what else is linked.
    let provider = Arc::new(ring::default_provider());
    let roots = Arc::new(match &options.ca {
        Some(pem) => authorities(pem)?,
        None => system_authorities()?,
    });
    let chain = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
        .build()
        .map_err(|_| unusable("the certificates of tls.caSecretRef can't be used"))?;
    let verifier = Arc::new(NodeVerifier { chain, hosts: hosts(contact_points) });
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| unusable("this build of TLS knows no version of the protocol"))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let config = match &options.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let certificates = certificates(certificate)
                .ok_or_else(|| unusable("tls.crt of tls.clientSecretRef holds no PEM certificate"))?;
            let key = PrivateKeyDer::from_pem_slice(key.expose())
                .map_err(|_| unusable("tls.key of tls.clientSecretRef holds no PEM private key"))?;
            builder
                .with_client_auth_cert(certificates, key)
                .map_err(|_| unusable("tls.key of tls.clientSecretRef isn't the key of its tls.crt"))?
        }
    };
    Ok(Arc::new(config))
}

fn unusable(message: &str) -> Fault {
    Fault::new(ErrorKind::Tls, message)
}

fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let all: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    (!all.is_empty()).then_some(all)
}

fn authorities(pem: &[u8]) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    let all = certificates(pem).ok_or_else(|| unusable("tls.caSecretRef holds no PEM certificate"))?;
    for certificate in all {
        roots.add(certificate).map_err(|_| unusable("a certificate of tls.caSecretRef can't be read"))?;
    }
    Ok(roots)
}

fn system_authorities() -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    // Unreadable certificates are skipped: only the others are trusted.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(unusable("this system trusts no authority; name one in tls.caSecretRef"));
    }
    Ok(roots)
}

/// Returns the host names among the contact points. Addresses are left out.
fn hosts(contact_points: &[String]) -> Vec<ServerName<'static>> {
    let names = contact_points.iter().filter_map(|point| {
        let host = point.rsplit_once(':').map_or(point.as_str(), |(host, _)| host);
        ServerName::try_from(host.to_owned()).ok()
    });
    names.filter(|name| matches!(name, ServerName::DnsName(_))).collect()
}

/// Accepts a certificate of a trusted authority that names the node's address or one of the hosts.
#[derive(Debug)]
struct NodeVerifier {
    chain: Arc<WebPkiServerVerifier>,
    hosts: Vec<ServerName<'static>>,
}

impl ServerCertVerifier for NodeVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verify = |name| self.chain.verify_server_cert(end_entity, intermediates, name, ocsp_response, now);
        let by_address = verify(server_name);
        match by_address {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => self.hosts.iter().find_map(|host| verify(host).ok()).map_or(by_address, Ok),
            answer => answer,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use lethe_core::sensitive::Sensitive;

    use super::*;

    fn refusal(options: &TlsOptions) -> String {
        match config(options, &[]) {
            Err(Fault { kind: ErrorKind::Tls, message }) => message,
            other => panic!("{:?}", other.err()),
        }
    }

    #[test]
    fn only_host_names_of_contact_points_are_accepted_beside_the_address() {
        let points = ["cassandra.shop.svc:9042", "10.0.0.1:9042", "[::1]:9042", "node"].map(str::to_owned);
        let names: Vec<String> = hosts(&points).iter().map(|name| name.to_str().into_owned()).collect();
        assert_eq!(names, ["cassandra.shop.svc", "node"]);
    }

    #[test]
    fn an_unusable_certificate_is_reported_with_its_secret() {
        let ca = TlsOptions { ca: Some(b"no pem".to_vec()), client: None };
        assert!(refusal(&ca).contains("tls.caSecretRef"));
        let client = Some((b"no pem".to_vec(), Sensitive::new(b"no pem".to_vec())));
        let message = match config(&TlsOptions { ca: None, client }, &[]) {
            Err(Fault { kind: ErrorKind::Tls, message }) => message,
            other => panic!("{:?}", other.err()),
        };
        // On a system without trusted authorities that error comes first.
        assert!(message.contains("tls.crt of tls.clientSecretRef") || message.contains("trusts no authority"));
    }
}
