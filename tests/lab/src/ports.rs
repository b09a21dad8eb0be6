//! Free ports for programs that cannot say which one they took.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use crate::error::{Doing as _, Result};

/// Ports of the loopback address that were free a moment ago, all different.
///
/// Somebody else may take one before it is used: who starts a program on it must be ready to try
/// again with others.
pub fn free<const N: usize>() -> Result<[u16; N]> {
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = TcpListener::bind(any).doing("binding", Path::new("127.0.0.1:0"))?;
        let address = listener
            .local_addr()
            .doing("asking for", Path::new("a port"))?;
        *port = address.port();
        held.push(listener);
    }
    Ok(ports)
}
