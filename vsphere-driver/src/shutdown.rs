//! When the driver stops: on SIGTERM or SIGINT, and at once on the second of them.

use std::io;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How the driver is told to stop.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// No new work; streams end, calls under way may finish.
    pub begin: CancellationToken,
    /// Calls under way end too.
    pub at_once: CancellationToken,
}

// === impl Stop ===

impl Stop {
    /// A stop that the signals of the process give.
    pub fn on_signals() -> io::Result<Self> {
        let stop = Self::default();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let told = stop.clone();
        tokio::spawn(async move {
            for token in [told.begin, told.at_once] {
                let signal = tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                };
                tracing::info!(signal, "Asked to stop");
                token.cancel();
            }
        });
        Ok(stop)
    }
}
