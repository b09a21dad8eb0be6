//! Each fault of vSphere that has a reason: where it is played, and what becomes of it.
//!
//! Code, retry class and advice are not repeated here: they stand in the contract's table.

use serde_json::{Value, json};

use self::Place::{Create, CreateCall, NotAttempted, PowerOn};

/// Where the simulator fails.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// In the task that makes the machine.
    Create,
    /// The call that would make it is answered with the fault.
    CreateCall,
    /// In the task that switches the machine on.
    PowerOn,
    /// DRS does not even try to switch it on.
    NotAttempted,
}

/// A fault of vSphere, where it is played, and the reason that it is told with.
pub(super) type Row = (&'static str, Place, &'static str);

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    ("AdminDisabled", PowerOn, "VSPHERE_FAULT"),
    ("CannotAccessNetwork", PowerOn, "NETWORK_NOT_ON_HOSTS"),
    ("CannotCreateFile", Create, "DATASTORE_FOLDER_FAILED"),
    ("ConcurrentAccess", CreateCall, "CONCURRENT_ACCESS"),
    ("DatastoreNotWritableOnHost", Create, "DATASTORE_READ_ONLY"),
    ("DeviceUnsupportedForVmPlatform", Create, "BAD_HARDWARE_SPEC"),
    ("DrsDisabledOnVm", NotAttempted, "DRS_NOT_ATTEMPTED"),
    ("DuplicateName", Create, "CONFLICT_FOREIGN"),
    ("FileAlreadyExists", Create, "DATASTORE_FILE_EXISTS"),
    ("FileLocked", PowerOn, "ISO_IN_USE"),
    ("FileNotFound", PowerOn, "ISO_MISSING"),
    ("HostCommunication", CreateCall, "NO_HOST"),
    ("HostNotConnected", PowerOn, "NO_HOST"),
    ("HostNotReachable", CreateCall, "NO_HOST"),
    ("InaccessibleDatastore", Create, "DATASTORE_UNAVAILABLE"),
    ("InaccessibleFTMetadataDatastore", Create, "DATASTORE_UNAVAILABLE"),
    ("InsufficientCpuResourcesFault", PowerOn, "CAPACITY_EXHAUSTED"),
    ("InsufficientFailoverResourcesFault", NotAttempted, "CAPACITY_EXHAUSTED"),
    ("InsufficientHostCapacityFault", PowerOn, "CAPACITY_EXHAUSTED"),
    ("InsufficientMemoryResourcesFault", PowerOn, "CAPACITY_EXHAUSTED"),
    ("InsufficientResourcesFault", NotAttempted, "CAPACITY_EXHAUSTED"),
    ("InsufficientStorageSpace", Create, "DATASTORE_FULL"),
    ("InvalidArgument", CreateCall, "UNSUPPORTED_CONFIG"),
    ("InvalidDatastore", Create, "DATASTORE_INVALID"),
    ("InvalidDatastorePath", Create, "INVALID_DATASTORE_PATH"),
    ("InvalidDatastoreState", Create, "DATASTORE_IN_MAINTENANCE"),
    ("InvalidDeviceBacking", Create, "BAD_HARDWARE_SPEC"),
    ("InvalidDeviceOperation", Create, "BAD_HARDWARE_SPEC"),
    ("InvalidDeviceSpec", Create, "BAD_HARDWARE_SPEC"),
    ("InvalidHostState", PowerOn, "NO_HOST"),
    ("InvalidPowerState", PowerOn, "INVALID_POWER_STATE"),
    ("InvalidVmConfig", Create, "UNSUPPORTED_CONFIG"),
    ("LicenseExpired", PowerOn, "LICENSE_RESTRICTED"),
    ("LicenseRestricted", PowerOn, "LICENSE_RESTRICTED"),
    ("ManagedObjectNotFound", CreateCall, "OBJECT_GONE"),
    ("MethodDisabled", CreateCall, "METHOD_DISABLED"),
    ("NoActiveHostInCluster", PowerOn, "NO_HOST"),
    ("NoCompatibleHost", NotAttempted, "PLACEMENT_IMPOSSIBLE"),
    ("NoDiskSpace", Create, "DATASTORE_FULL"),
    ("NoPermission", CreateCall, "VCENTER_PERMISSION_DENIED"),
    ("NotEnoughCpus", PowerOn, "NOT_ENOUGH_CPUS"),
    ("NotEnoughLicenses", PowerOn, "LICENSE_RESTRICTED"),
    ("NotEnoughLogicalCpus", PowerOn, "NOT_ENOUGH_CPUS"),
    ("NotSupported", CreateCall, "VERSION_TOO_OLD"),
    ("NumVirtualCpusExceedsLimit", Create, "NOT_ENOUGH_CPUS"),
    ("NumVirtualCpusNotSupported", Create, "NOT_ENOUGH_CPUS"),
    ("QuarantineModeFault", PowerOn, "QUARANTINE_MODE"),
    ("QuestionPending", PowerOn, "QUESTION_PENDING"),
    ("RequestCanceled", Create, "CANCELED_IN_VCENTER"),
    ("RestrictedVersion", CreateCall, "VERSION_TOO_OLD"),
    ("RuleViolation", NotAttempted, "PLACEMENT_IMPOSSIBLE"),
    ("SnapshotCopyNotSupported", PowerOn, "SNAPSHOT_FAILED"),
    ("SnapshotDisabled", PowerOn, "SNAPSHOT_FAILED"),
    ("SnapshotFault", PowerOn, "SNAPSHOT_FAILED"),
    ("SnapshotIncompatibleDeviceInVm", PowerOn, "SNAPSHOT_FAILED"),
    ("SnapshotLocked", PowerOn, "SNAPSHOT_FAILED"),
    ("SnapshotNoChange", PowerOn, "SNAPSHOT_FAILED"),
    ("SwapDatastoreNotWritableOnHost", PowerOn, "DATASTORE_READ_ONLY"),
    ("TaskInProgress", PowerOn, "BUSY"),
    ("TooManyHosts", PowerOn, "LICENSE_RESTRICTED"),
    ("TooManySnapshotLevels", PowerOn, "SNAPSHOT_FAILED"),
    ("ToolsUnavailable", PowerOn, "TOOLS_UNAVAILABLE"),
    ("UnsupportedDatastore", Create, "DATASTORE_INVALID"),
    ("UnsupportedGuest", Create, "UNSUPPORTED_CONFIG"),
    ("VirtualHardwareVersionNotSupported", Create, "HARDWARE_VERSION_UNSUPPORTED"),
    ("VmConfigFault", Create, "UNSUPPORTED_CONFIG"),
    ("VmHostAffinityRuleViolation", NotAttempted, "PLACEMENT_IMPOSSIBLE"),
    ("VmLimitLicense", PowerOn, "LICENSE_RESTRICTED"),
];

/// A pool takes the next number instead of a name that is taken, so that its condition stays good.
pub(super) const PASSED_OVER: &str = "DuplicateName";

/// The faults of a login, which belong to no machine.
pub(super) const OF_LOGINS: [&str; 3] = ["InvalidLogin", "InvalidLocale", "PasswordExpired"];

/// Where a machine of this name fails with the fault of a row.
pub(super) fn rule((fault, place, _): &Row, machine: &str) -> Value {
    let (method, at) = match place {
        Create => ("CreateVM_Task", "task"),
        CreateCall => ("CreateVM_Task", "call"),
        PowerOn => ("PowerOnVM_Task", "task"),
        NotAttempted => ("PowerOnVM_Task", "not-attempted"),
    };
    json!({
        "method": method,
        "at": at,
        "name": machine,
        "fault": {"type": fault, "fields": fields(fault)},
    })
}

/// What a vCenter would say beside the type.
fn fields(fault: &str) -> Value {
    match fault {
        "NoPermission" => json!({"privilegeId": "VirtualMachine.Inventory.Create"}),
        "NoDiskSpace" => json!({"datastore": lab::DATASTORE, "file": "demo.vmdk"}),
        "InvalidPowerState" => json!({"requestedState": "poweredOn", "existingState": "suspended"}),
        "InvalidArgument" => json!({"invalidProperty": "configSpec.guestId"}),
        "FileLocked" | "FileNotFound" => json!({"file": format!("[{}] a.iso", lab::DATASTORE)}),
        _ => json!({}),
    }
}

/// What of those is told as metadata: keys and values.
pub(super) fn told(fault: &str) -> Vec<(&'static str, String)> {
    match fault {
        "NoPermission" => vec![
            ("privilege", "VirtualMachine.Inventory.Create".into()),
            ("path", "/DC0/vm".into()),
        ],
        "NoDiskSpace" => vec![("datastore", lab::DATASTORE.into())],
        "InvalidPowerState" => vec![("power_state", "suspended".into())],
        "InvalidArgument" => vec![("property", "configSpec.guestId".into())],
        "FileLocked" | "FileNotFound" => vec![("path", format!("[{}] a.iso", lab::DATASTORE))],
        _ => Vec::new(),
    }
}
