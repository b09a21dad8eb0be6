//! Says what this driver is: the service `Driver`.

use super::caller::FEATURES;
use contract::v1::{
    GetDriverInfoRequest, GetDriverInfoResponse, Limits,
    driver_server::{Driver, DriverServer},
};
use std::time::{Duration, SystemTime};
use tonic::{Request, Response, Status};
use uuid::Uuid;

/// Bytes of a message, either way.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// Identities in a request.
pub const MAX_IDENTITIES: usize = 1_000;

/// Entries in a page.
pub const MAX_PAGE_SIZE: usize = 1_000;

/// Bytes in a chunk of an upload.
pub const MAX_CHUNK_BYTES: usize = 1 << 20;

/// Longest `wait` of a request.
pub const MAX_WAIT: Duration = Duration::from_mins(10);

/// One run of the driver, from start to stop.
#[derive(Clone, Debug)]
pub struct Run {
    /// Random, new with each start.
    pub id: String,
    /// When it began.
    pub started_at: SystemTime,
    /// Its clock.
    pub now: fn() -> SystemTime,
}

/// The service `Driver`.
#[derive(Debug)]
pub(crate) struct DriverInfo {
    run: Run,
    max_iso_bytes: u64,
}

// === impl Run ===

impl Run {
    /// Begins a run, by this clock.
    pub(crate) fn begin(now: fn() -> SystemTime) -> Self {
        Self {
            id: Uuid::new_v4().to_string(),
            started_at: now(),
            now,
        }
    }
}

// === impl DriverInfo ===

impl DriverInfo {
    /// The service of a run that takes ISOs up to this size.
    pub(crate) fn server(run: Run, max_iso_bytes: u64) -> DriverServer<Self> {
        DriverServer::new(Self { run, max_iso_bytes })
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
    }
}

#[tonic::async_trait]
impl Driver for DriverInfo {
    async fn get_driver_info(
        &self,
        _: Request<GetDriverInfoRequest>,
    ) -> Result<Response<GetDriverInfoResponse>, Status> {
        let now = (self.run.now)();
        Ok(Response::new(info(&self.run, now, self.max_iso_bytes)))
    }
}

fn info(run: &Run, now: SystemTime, max_iso_bytes: u64) -> GetDriverInfoResponse {
    GetDriverInfoResponse {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: option_env!("DRIVER_COMMIT").unwrap_or_default().to_owned(),
        contract_revision: contract::REVISION,
        features: FEATURES.iter().map(|feature| (*feature).into()).collect(),
        limits: Some(limits(max_iso_bytes)),
        run_id: run.id.clone(),
        started_at: Some(run.started_at.into()),
        now: Some(now.into()),
    }
}

fn limits(max_iso_bytes: u64) -> Limits {
    let count = |limit: usize| i32::try_from(limit).unwrap_or(i32::MAX);
    Limits {
        max_identities: count(MAX_IDENTITIES),
        max_page_size: count(MAX_PAGE_SIZE),
        max_message_bytes: count(MAX_MESSAGE_BYTES),
        max_chunk_bytes: count(MAX_CHUNK_BYTES),
        max_iso_bytes: i64::try_from(max_iso_bytes).unwrap_or(i64::MAX),
        max_wait: MAX_WAIT.try_into().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::v1::Feature;

    #[test]
    fn a_driver_says_what_it_is_and_permits() {
        let run = Run::begin(|| SystemTime::UNIX_EPOCH);
        let later = SystemTime::UNIX_EPOCH + Duration::from_secs(5);
        let seconds = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        assert_eq!(
            info(&run, later, 16 << 30),
            GetDriverInfoResponse {
                version: "0.1.0".into(),
                commit: option_env!("DRIVER_COMMIT").unwrap_or_default().into(),
                contract_revision: 1,
                features: vec![
                    Feature::Adoption.into(),
                    Feature::Capacity.into(),
                    Feature::IsoUrl.into(),
                    Feature::IsoUpload.into(),
                    Feature::IsoStore.into(),
                    Feature::IsoEject.into(),
                ],
                limits: Some(Limits {
                    max_identities: 1_000,
                    max_page_size: 1_000,
                    max_message_bytes: 4_194_304,
                    max_chunk_bytes: 1_048_576,
                    max_iso_bytes: 17_179_869_184,
                    max_wait: Some(prost_types::Duration {
                        seconds: 600,
                        nanos: 0
                    }),
                }),
                run_id: run.id.clone(),
                started_at: seconds(0),
                now: seconds(5),
            }
        );
    }

    #[test]
    fn each_run_has_an_id_of_its_own() {
        let run = || Run::begin(|| SystemTime::UNIX_EPOCH).id;
        assert_ne!(run(), run());
    }
}
