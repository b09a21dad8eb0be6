//! Values of properties, and faults, as vCenter gives them.

use super::Properties;
use vsphere_driver::soap::{Element, MoRef, VimFault};

/// A property with this text.
pub(super) fn leaf(text: impl Into<String>) -> Element {
    Element::leaf("val", text)
}

/// A property that refers to an object.
pub(super) fn reference(object: &MoRef) -> Element {
    Element::reference("val", object)
}

/// A property that refers to these objects.
pub(super) fn references(objects: &[MoRef]) -> Element {
    let items = objects
        .iter()
        .map(|object| Element::reference("ManagedObjectReference", object));
    Element::parent("val", items.collect())
}

/// A property that has these parts.
pub(super) fn parts(all: &[(&str, &str)]) -> Element {
    let all = all.iter().map(|(name, text)| Element::leaf(*name, *text));
    Element::parent("val", all.collect())
}

/// A setting of a machine: the whole of it is the value of its path.
pub(super) fn option(key: &str, value: &str) -> Element {
    Element::parent(
        "val",
        vec![Element::leaf("key", key), Element::leaf("value", value)],
    )
}

/// The properties of a new machine.
pub(super) fn machine(name: &str, folder: &MoRef, instance: &str, bios: &str) -> Properties {
    let nic = Element::parent(
        "VirtualDevice",
        vec![Element::leaf("macAddress", "00:50:56:00:00:01")],
    );
    [
        ("name", leaf(name)),
        ("parent", reference(folder)),
        ("config.instanceUuid", leaf(instance)),
        ("config.uuid", leaf(bios)),
        ("config.changeVersion", leaf("1")),
        ("runtime.powerState", leaf("poweredOff")),
        ("runtime.connectionState", leaf("connected")),
        ("config.hardware.device", Element::parent("val", vec![nic])),
    ]
    .map(|(path, value)| (path.to_owned(), value))
    .into()
}

/// A fault of this type about this object.
pub(super) fn fault(type_name: &str, object: Option<&MoRef>) -> VimFault {
    let about = object.map(|object| Element::reference("obj", object));
    VimFault {
        type_name: type_name.into(),
        message: "played".into(),
        detail: Element::parent("fault", about.into_iter().collect()).of_type(type_name),
    }
}

/// The machine has another power state than is needed.
pub(super) fn invalid_power_state(existing: &str) -> VimFault {
    VimFault {
        detail: Element::parent("fault", vec![Element::leaf("existingState", existing)])
            .of_type("InvalidPowerState"),
        ..fault("InvalidPowerState", None)
    }
}

/// A fault as the error of a task, or as the reason of a machine that is not attempted.
pub(super) fn localized(name: &'static str, fault: &VimFault) -> Element {
    let children = fault.detail.children().to_vec();
    let detail = Element::parent("fault", children).of_type(fault.type_name.clone());
    Element::parent(
        name,
        vec![detail, Element::leaf("localizedMessage", "played")],
    )
}
