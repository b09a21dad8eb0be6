//! `UploadIso`: a content that somebody sends.

use super::{
    IsosService, convert,
    plan::{self, Sought},
};
use crate::{
    audit::{self, Outcome},
    edge::{caller::Caller, info::MAX_CHUNK_BYTES},
    grpc::{convert as common, named},
    iso::{
        digest,
        inspect::too_large,
        record,
        upload::{self, Upload},
        view,
        wishes::IsoId,
    },
    vcenter::VCenter,
};
use bytes::Bytes;
use contract::v1::{
    Fault, Iso, IsoOrigin, Owner, Reason, UploadIsoHeader, UploadIsoRequest, UploadIsoResponse,
    Verb, upload_iso_request::Part,
};
use futures::stream::{self, BoxStream, StreamExt as _};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};
use tonic::{Request, Status, Streaming};

/// How long a caller may send nothing.
const STALL: Duration = Duration::from_mins(1);

type Messages = Streaming<UploadIsoRequest>;

/// A header, checked.
struct Asked {
    service: IsosService,
    vcenter: Arc<VCenter>,
    caller: Caller,
    id: IsoId,
    owner: Owner,
    upload: Upload,
}

/// Takes an ISO from the caller.
pub(super) async fn upload(
    service: &IsosService,
    request: Request<Messages>,
) -> Result<UploadIsoResponse, Status> {
    let (_, extensions, mut messages) = request.into_parts();
    let mut header = header(&mut messages).await?;
    let caller = crate::grpc::caller(&service.core, &extensions, header.caller.take())?;
    let fail = crate::grpc::status(&caller.operation_id);
    let validate_only = header.validate_only;
    let asked = Asked::of(service, caller, header).await.map_err(&fail)?;
    if validate_only {
        return Ok(asked.planned().await);
    }
    // It goes on when the caller is gone, for as long as it takes to clean up.
    let taken = tokio::spawn(async move { asked.take(messages).await });
    let taken = taken.await.unwrap_or_else(|_| {
        let what = "the upload was broken off";
        Err(Fault::new(Reason::IsoUploadIncomplete, what))
    });
    taken.map_err(fail)
}

async fn header(messages: &mut Messages) -> Result<UploadIsoHeader, Status> {
    let first = timeout(STALL, messages.message()).await;
    let first = first.map_err(|_| Status::deadline_exceeded("no header came"))??;
    match first.and_then(|message| message.part) {
        Some(Part::Header(header)) => Ok(*header),
        Some(Part::Chunk(_)) | None => {
            let problem = "must be the first message";
            Err(Fault::invalid("header", problem).into_status(""))
        }
    }
}

// === impl Asked ===

impl Asked {
    async fn of(
        service: &IsosService,
        caller: Caller,
        header: UploadIsoHeader,
    ) -> Result<Self, Fault> {
        let UploadIsoHeader {
            caller: _,
            vcenter,
            owner,
            id,
            size_bytes,
            datacenter,
            datastores,
            file_label,
            sha256,
            validate_only: _,
        } = header;
        let vcenter = named(&service.core, vcenter)?;
        let owner = common::owner(owner, &caller.hub_id)?;
        let id = convert::id_of(&owner, id, &caller, "header.id")?;
        let label = convert::label(&file_label, "header.file_label")?;
        let size_bytes = size(size_bytes, service.store.policy.max_bytes())?;
        let sha256 = digest::of_field(&sha256, "header.sha256")?;
        vcenter.connected().await.map_err(|fault| *fault)?;
        let datacenter = convert::datacenter(&vcenter, &datacenter)?;
        let datastores = convert::datastores(&vcenter, &datastores, datacenter.as_ref(), 1)?;
        let upload = Upload {
            size_bytes,
            sha256,
            label,
            datastores,
            operation_id: caller.operation_id.clone(),
        };
        Ok(Self {
            service: service.clone(),
            vcenter,
            caller,
            id,
            owner,
            upload,
        })
    }

    /// What would be done.
    async fn planned(self) -> UploadIsoResponse {
        let sought = Sought {
            wanted: record::Wanted {
                sha256: self.upload.sha256,
                address: None,
                revision: "",
                content: None,
            },
            size_bytes: self.upload.size_bytes,
            origin: IsoOrigin::Upload,
            op: &self.caller.operation_id,
        };
        let store = &self.service.store;
        let files = plan::files(store, &self.vcenter, &self.upload.datastores, sought).await;
        let (state, fault) = plan::state(&files, None);
        let iso = Iso {
            key: Some(self.id.key()),
            owner: Some(self.owner),
            origin: IsoOrigin::Upload.into(),
            source: self.upload.label.to_string(),
            state: state.into(),
            fault,
            size_bytes: i64::try_from(self.upload.size_bytes).unwrap_or(i64::MAX),
            files,
            ..Iso::default()
        };
        UploadIsoResponse {
            iso: Some(iso),
            operation_id: self.caller.operation_id,
        }
    }

    async fn take(self, messages: Messages) -> Result<UploadIsoResponse, Fault> {
        let store = &self.service.store;
        let begun = Instant::now();
        let chunks = chunks(messages, self.upload.clone());
        let taken = upload::take(store, &self.vcenter, &self.upload, chunks).await;
        let taken = taken.and_then(upload::whole_everywhere);
        let outcome = taken
            .as_ref()
            .map_or_else(Outcome::Failed, |_| Outcome::Done);
        store.metrics.ended(&outcome.to_string(), begun.elapsed());
        self.note(outcome);
        let files = taken?;
        let Self {
            vcenter,
            caller,
            id,
            owner,
            upload,
            ..
        } = self;
        let iso = vcenter.write(|state| {
            let by = (&upload.label, &caller);
            state
                .isos
                .want_upload((&id, owner), by, files, Instant::now());
            view::iso(state, &id, &view::mounts(state))
        });
        Ok(UploadIsoResponse {
            iso,
            operation_id: caller.operation_id,
        })
    }

    fn note(&self, outcome: Outcome<'_>) {
        let change = audit::Change {
            caller: &self.caller,
            owner: &audit::whose(&self.owner),
            identity: &self.id.to_string(),
            verb: Verb::TransferIso,
            vcenter: &self.vcenter.name,
            operation_id: &self.caller.operation_id,
        };
        audit::change(&change, outcome);
    }
}

/// The bytes of all messages, until they end or the caller goes away or stands still.
fn chunks(messages: Messages, upload: Upload) -> BoxStream<'static, Result<Bytes, Fault>> {
    let state = Some((messages, 0, upload));
    stream::unfold(state, |state| async {
        let (mut messages, came, upload) = state?;
        let message = timeout(STALL, messages.message()).await;
        let chunk = match message {
            Ok(Ok(None)) => return None,
            Ok(Ok(Some(message))) => chunk(message),
            Ok(Err(_)) | Err(_) => Err(upload::incomplete(&upload, came)),
        };
        Some(match chunk {
            Ok(chunk) => {
                let came = came + chunk.len() as u64;
                (Ok(chunk), Some((messages, came, upload)))
            }
            Err(fault) => (Err(fault), None),
        })
    })
    .boxed()
}

fn chunk(message: UploadIsoRequest) -> Result<Bytes, Fault> {
    match message.part {
        Some(Part::Chunk(chunk)) if chunk.is_empty() => Err(Fault::invalid("chunk", "is empty")),
        Some(Part::Chunk(chunk)) if chunk.len() > MAX_CHUNK_BYTES => {
            let what = format!("`chunk` has more than {MAX_CHUNK_BYTES} bytes");
            let fault = Fault::new(Reason::LimitExceeded, what).at("chunk");
            Err(fault.with("limit", MAX_CHUNK_BYTES))
        }
        Some(Part::Chunk(chunk)) => Ok(chunk),
        Some(Part::Header(_)) | None => Err(Fault::invalid(
            "chunk",
            "is missing: only the first message is a header",
        )),
    }
}

fn size(announced: i64, limit: u64) -> Result<u64, Fault> {
    let size = u64::try_from(announced).ok().filter(|size| *size > 0);
    let size = size.ok_or_else(|| Fault::invalid("header.size_bytes", "must be at least 1"))?;
    if size > limit {
        return Err(too_large(size, limit));
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_header_announces_is_judged() {
        assert_eq!(size(7, 7), Ok(7));
        for (announced, reason) in [
            (0, Reason::InvalidField),
            (-1, Reason::InvalidField),
            (8, Reason::IsoTooLarge),
        ] {
            assert_eq!(size(announced, 7).expect_err("refused").reason(), reason);
        }
    }

    #[test]
    fn only_chunks_of_a_good_size_follow_the_header() {
        let message = |part| UploadIsoRequest { part };
        let chunk_of = |size| message(Some(Part::Chunk(vec![7; size].into())));
        assert_eq!(chunk(chunk_of(1)), Ok(Bytes::from_static(&[7])));
        assert!(chunk(chunk_of(MAX_CHUNK_BYTES)).is_ok());
        let header = message(Some(Part::Header(Box::default())));
        for (message, reason) in [
            (chunk_of(0), Reason::InvalidField),
            (chunk_of(MAX_CHUNK_BYTES + 1), Reason::LimitExceeded),
            (header, Reason::InvalidField),
            (message(None), Reason::InvalidField),
        ] {
            assert_eq!(chunk(message).expect_err("refused").reason(), reason);
        }
    }
}
