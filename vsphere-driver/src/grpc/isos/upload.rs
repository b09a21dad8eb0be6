//! `UploadIso`: a content that somebody sends.

use super::IsosService;
use contract::v1::{Fault, Feature, Reason, UploadIsoRequest, UploadIsoResponse};
use tonic::{Request, Status, Streaming};

/// Takes an ISO from the caller.
#[expect(clippy::unused_async, reason = "an upload is awaited")]
pub(super) async fn upload(
    _: &IsosService,
    _: Request<Streaming<UploadIsoRequest>>,
) -> Result<UploadIsoResponse, Status> {
    let name = Feature::IsoUpload.as_str_name();
    let what = format!("`UploadIso` needs {name}, which this driver lacks");
    let fault = Fault::new(Reason::FeatureUnsupported, what);
    Err(fault.with("feature", name).into_status(""))
}
