//! Replies of vCenter: the reader of SOAP, and all that takes values out of what was read.

use super::Target;
use crate::{
    inventory::{
        Inventory,
        properties::{apply_to_vm, devices},
    },
    machines::vm::Vm,
    soap::{
        Element, ServiceContent, VimFault,
        datastore::FoundFiles,
        power_on::PowerOnResult,
        property_collector::{UpdateSet, read_objects, read_updates},
        reply::{self, Reply},
        task::Task,
        xml::{Cursor, InvalidXml, Limits, Start},
    },
};
use std::{fs, path::Path};

const LIMITS: Limits = Limits {
    bytes: 1 << 20,
    depth: 64,
    elements: 20_000,
};

const WORDS: &[&str] = &[
    "<",
    ">",
    "</",
    "/>",
    "&",
    ";",
    "\"",
    "'",
    "=",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<?xml ?>",
    "<!DOCTYPE a [<!ENTITY b \"c\">]>",
    "&b;",
    "&#0;",
    "&#x110000;",
    "&lt;",
    "xmlns=\"urn:vim25\"",
    "xmlns:a=\"\"",
    " xsi:type=\"ArrayOfManagedObjectReference\"",
    " xsi:type=\"xsd:string\"",
    "<returnval>",
    "</returnval>",
    "<changeSet>",
    "</changeSet>",
    "<val>",
    "</val>",
    "<Fault>",
    "<op>indirectRemove</op>",
    "<kind>leave</kind>",
    "<truncated>true</truncated>",
    "\0",
    "é",
    "\u{fffe}",
];

#[test]
fn no_reply_of_a_vcenter_does_harm() {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/replies");
    let mut files: Vec<_> = fs::read_dir(recorded)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    Target {
        name: "reply",
        seeds: files.iter().map(|file| fs::read(file).unwrap()).collect(),
        words: WORDS,
        try_one,
    }
    .run();
}

fn try_one(input: &[u8]) {
    if let Ok(reply) = reply::read(input, LIMITS, whole) {
        take_apart(&reply);
    }
    if let Ok(Reply::Answer(objects)) = reply::read(input, LIMITS, |cursor, _| read_objects(cursor))
    {
        let mut vm = Vm::default();
        for (path, value) in objects.iter().flat_map(|object| &object.properties) {
            apply_to_vm(&mut vm, path, Some(value));
            let _ = devices(value);
        }
        // Whose it is is decided by what was read.
        let _ = vm.ownership();
    }
    if let Ok(Reply::Answer(Some(updates))) =
        reply::read(input, LIMITS, |cursor, _| read_updates(cursor))
    {
        follow(&updates);
    }
}

fn whole(cursor: &mut Cursor<'_>, start: Start) -> Result<Element, InvalidXml> {
    cursor.element(start)
}

fn take_apart(reply: &Reply<Element>) {
    let fault = match reply {
        Reply::Fault(fault) => (**fault).clone(),
        Reply::Answer(answer) => {
            let returned = answer.child("returnval").unwrap_or(answer);
            let _ = ServiceContent::of(returned);
            let _ = PowerOnResult::of(returned);
            let _ = FoundFiles::of(returned);
            VimFault::of_localized(returned)
        }
    };
    let told = crate::vcenter::explain::of_vim(&fault, "trying", None);
    assert!(told.reason != 0, "each fault has a reason: {fault:?}");
}

fn follow(updates: &UpdateSet) {
    let (mut inventory, mut vm, mut task) = (Inventory::default(), Vm::default(), Task::default());
    for update in updates.filters.iter().flat_map(|filter| &filter.objects) {
        for change in &update.changes {
            inventory.apply(&update.object, &change.path, change.value.as_ref());
            apply_to_vm(&mut vm, &change.path, change.value.as_ref());
            task.apply(change);
        }
        // A parent may be anything, also the object itself.
        let _ = inventory.path(&update.object);
        let _ = inventory.describe(&update.object);
    }
    let _ = task.outcome();
}
