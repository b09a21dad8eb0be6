//! All that is converted of a request, for the tests that feed broken ones.

use super::convert::{self, references::references, spec::spec};
use contract::{
    identity::MANUAL_HUB,
    v1::{DeleteVirtualMachinesRequest, EnsureVirtualMachinesRequest, Fault},
};

/// As `EnsureVirtualMachines` does it.
pub(crate) fn ensure(request: EnsureVirtualMachinesRequest) -> Result<(), Fault> {
    convert::vcenter(request.vcenter)?;
    let owner = convert::owner(request.owner, MANUAL_HUB)?;
    convert::wishes(request.identities, MANUAL_HUB, &owner)?;
    let once = spec(request.spec)?;
    // What was made good is taken as it is.
    assert_eq!(spec(Some(once.clone())), Ok(once));
    convert::wait(request.wait).map(drop)
}

/// As `DeleteVirtualMachines` does it.
pub(crate) fn delete(request: DeleteVirtualMachinesRequest) -> Result<(), Fault> {
    convert::vcenter(request.vcenter)?;
    references(request.machines, MANUAL_HUB)?;
    convert::wait(request.wait).map(drop)
}
