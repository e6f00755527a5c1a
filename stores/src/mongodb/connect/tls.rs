//! Certificates and keys for the driver, which accepts only paths of files.
//!
//! On Linux they are stored in memory, under a path that only this process can open
//! (`/proc/self/fd/<n>`). So nothing is left on a disk, however the process ends. On other systems
//! they are stored in temporary files that only this user can read, which are removed when the
//! client is dropped.

use std::{
    fs::File,
    io::{self, Write},
    path::PathBuf,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mongodb::options::TlsOptions as DriverOptions;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::{ErrorKind, Fault, contract::TlsOptions};

/// The files that the paths of the driver name. The driver reads them again for each server that it
/// finds, so this must live as long as the client.
#[derive(Default)]
pub(crate) struct Files(#[allow(dead_code, reason = "held, not read")] Vec<Private>);

/// Returns the TLS options of the driver, and the files that they name.
pub(crate) fn options(tls: &TlsOptions) -> Result<(DriverOptions, Files), Fault> {
    let mut files = Files::default();
    let authorities = match &tls.ca {
        Some(pem) => {
            check_certificates(pem, "the Secret that mongodb.tls.caSecretRef names")?;
            files.keep(pem)?
        }
        None => files.keep(&system_authorities()?)?,
    };
    let mut options = DriverOptions::builder().ca_file_path(authorities).build();
    if let Some((certificate, key)) = &tls.client {
        let secret = "the Secret that mongodb.tls.clientSecretRef names";
        check_certificates(certificate, &format!("tls.crt of {secret}"))?;
        PrivateKeyDer::from_pem_slice(key.expose())
            .map_err(|_| Fault::new(ErrorKind::Tls, format!("tls.key of {secret} is no private key in PEM")))?;
        let both = [certificate.as_slice(), b"\n", key.expose()].concat();
        options.cert_key_file_path = Some(files.keep(&both)?);
    }
    Ok((options, files))
}

/// Checks that all certificates can be read. The driver ignores the ones that it can't read and
/// would then trust no authority.
fn check_certificates(pem: &[u8], what: &str) -> Result<(), Fault> {
    let mut number = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        certificate.map_err(|_| Fault::new(ErrorKind::Tls, format!("{what} holds a certificate that is no PEM")))?;
        number += 1;
    }
    if number == 0 {
        return Err(Fault::new(ErrorKind::Tls, format!("{what} holds no certificate in PEM")));
    }
    Ok(())
}

/// Returns the authorities that this system trusts, as PEM. The driver would use a built-in list
/// instead.
fn system_authorities() -> Result<Vec<u8>, Fault> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        return Err(Fault::new(
            ErrorKind::Tls,
            "this system has no authorities to trust; set the DataStore's mongodb.tls.caSecretRef".to_owned(),
        ));
    }
    let mut pem = String::new();
    for certificate in &found.certs {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        STANDARD.encode_string(certificate, &mut pem);
        pem.push_str("\n-----END CERTIFICATE-----\n");
    }
    Ok(pem.into_bytes())
}

impl Files {
    fn keep(&mut self, bytes: &[u8]) -> Result<PathBuf, Fault> {
        let (file, path) = Private::write(bytes)
            .map_err(|error| Fault::internal(format!("failed to keep certificates: {}", error.kind())))?;
        self.0.push(file);
        Ok(path)
    }
}

#[cfg(target_os = "linux")]
struct Private(#[allow(dead_code, reason = "held, not read")] File);

#[cfg(target_os = "linux")]
impl Private {
    fn write(bytes: &[u8]) -> io::Result<(Self, PathBuf)> {
        use std::os::fd::AsRawFd;
        let memory = rustix::fs::memfd_create("lethe-tls", rustix::fs::MemfdFlags::CLOEXEC)?;
        let mut file = File::from(memory);
        file.write_all(bytes)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        Ok((Self(file), path))
    }
}

#[cfg(not(target_os = "linux"))]
struct Private(#[allow(dead_code, reason = "held, not read")] tempfile::NamedTempFile);

#[cfg(not(target_os = "linux"))]
impl Private {
    fn write(bytes: &[u8]) -> io::Result<(Self, PathBuf)> {
        // Only its owner can read it, and its name can't be guessed.
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(bytes)?;
        let path = file.path().to_owned();
        Ok((Self(file), path))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_kept_can_be_read_again_and_again_and_is_gone_with_its_owner() {
        let mut files = Files::default();
        let path = files.keep(b"secret").unwrap();
        for _ in 0..2 {
            assert_eq!(std::fs::read(&path).unwrap(), b"secret");
        }
        drop(files);
        assert!(!std::fs::read(&path).is_ok_and(|bytes| bytes == b"secret"));
    }

    #[test]
    fn what_is_no_certificate_is_refused_with_the_secret_s_place() {
        let tls = TlsOptions { ca: Some(b"nothing".to_vec()), client: None };
        assert!(options(&tls).err().unwrap().to_string().contains("caSecretRef"));
    }
}
