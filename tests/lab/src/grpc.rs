//! The driver as a program calls it, with the certificate of a person.

use std::time::Duration;

use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::error::{Doing as _, Error, Result};
use crate::lab::Lab;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);

impl Lab {
    /// A connection to the driver, for the clients of the contract.
    pub async fn channel(&self) -> Result<Channel> {
        let read = |path: &std::path::Path| std::fs::read(path).doing("reading", path);
        let person = &self.certificates().person;
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(read(&self.certificates().authority)?))
            .identity(Identity::from_pem(
                read(&person.certificate)?,
                read(&person.key)?,
            ))
            .domain_name("localhost");
        let address = format!("https://{}", self.driver()?.address());
        let refused = |error| Error::Driver(Box::new(error));
        Endpoint::from_shared(address)
            .and_then(|endpoint| endpoint.tls_config(tls))
            .map_err(refused)?
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .connect()
            .await
            .map_err(refused)
    }
}
