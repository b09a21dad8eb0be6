//! An image service, as the assisted installer has one: it serves ISO images over HTTPS, under URLs
//! that are credentials, and does it badly where it is told to.
//!
//! Images have any size and are made while they are sent. Its certificate is of an authority of its
//! own, which no system trusts.

mod content;
mod image;
mod range;
mod reply;
mod token;
mod trouble;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

pub use self::content::Content;
use self::image::Served;
pub use self::image::{Asked, Counts, Image};
pub use self::trouble::Trouble;
use crate::canary::Canary;
use crate::certificates::Certificates;
use crate::error::{Doing as _, Result};
use crate::{control, tls};

/// A running image service. It ends when it is dropped.
#[derive(Debug)]
pub struct Images {
    address: SocketAddr,
    authority: PathBuf,
    shelf: Shelf,
    canary: Arc<Canary>,
    task: JoinHandle<()>,
}

/// All images by their paths.
#[derive(Debug, Clone, Default)]
struct Shelf(Arc<Mutex<BTreeMap<String, Arc<Served>>>>);

// === impl Images ===

impl Images {
    /// Starts one at a free port; its tokens are secrets that `canary` looks for.
    pub async fn start(certificates: &Certificates, canary: &Arc<Canary>) -> Result<Self> {
        let tls = tls::acceptor(&certificates.images)?;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (listener, address) = control::bind(any).await?;
        let shelf = Shelf::default();
        Ok(Self {
            address,
            authority: certificates.images_authority.clone(),
            task: tokio::spawn(serve(listener, tls, shelf.clone())),
            shelf,
            canary: Arc::clone(canary),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The authority that vouches for it, PEM.
    pub fn authority(&self) -> Result<String> {
        let path: &Path = &self.authority;
        std::fs::read_to_string(path).doing("reading", path)
    }

    /// Serves a content under a new URL.
    pub fn publish(&self, content: Content) -> Result<Image> {
        let token = token::new()?;
        // A log may hold a part of it.
        for part in token.rsplit('.').take(2) {
            self.canary.secret("token of an image", part);
        }
        let path = format!("/byapikey/{token}/4.20/x86_64/minimal.iso");
        let served = Arc::new(Served::new(content));
        self.shelf.put(&path, &served);
        let url = format!("https://{}{path}", self.address);
        Ok(Image::new(url, token, served))
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// === impl Shelf ===

impl Shelf {
    fn put(&self, path: &str, served: &Arc<Served>) {
        let mut images = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        images.insert(path.to_owned(), Arc::clone(served));
    }

    fn get(&self, path: &str) -> Option<Arc<Served>> {
        let images = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        images.get(path).map(Arc::clone)
    }
}

/// Takes connections until the task is aborted; they end with it.
async fn serve(listener: TcpListener, tls: TlsAcceptor, shelf: Shelf) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, tls.clone(), shelf.clone()));
                }
                Err(error) => tracing::warn!(%error, "Connection not taken"),
            },
            // Those that have ended are not kept.
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, tls: TlsAcceptor, shelf: Shelf) {
    // A client that does not trust it ends here.
    let Ok(stream) = tls.accept(stream).await else {
        return;
    };
    let service = service_fn(move |request: http::Request<_>| {
        let served = shelf.get(request.uri().path());
        async move { Ok::<_, std::convert::Infallible>(reply::to(served, &request)) }
    });
    // An error is a connection that was broken, by the client or because it was asked for.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
