//! Somebody in vCenter's place sends what no vCenter sends: it is refused with a clear reason, costs
//! little memory, and the driver goes on.

use lab::Lab;
use lab::proxy::{Action, Fault, Hostile};

use crate::requests::{ENSURE, machines, with};
use crate::zone::{Refusal, Zone, states};

const UNAVAILABLE: u64 = 14;
/// What a reply to one call may cost at its peak: it is short, and is given up where it is not.
const SHORT: u64 = 48 << 20;
/// What a reading of the inventory may cost at its peak: it is given up at 64 MiB.
const READING: u64 = 256 << 20;

/// Lines of `/proc/PID/status` give KiB.
fn peak_memory(lab: &Lab) -> u64 {
    let pid = lab.driver().unwrap().process().unwrap().id();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse::<u64>().unwrap() << 10
}

#[tokio::test]
async fn a_hostile_reply_to_a_call_is_refused_in_little_memory() {
    let zone = Zone::start().await;
    let before = peak_memory(&zone.lab);
    let iso = format!("[{}] isos/agent.iso", lab::DATASTORE);
    let cdrom = serde_json::json!({"isoPath": iso});
    let request = with(machines("demo", [1]), "/spec/cdrom", cdrom);
    for with in Hostile::ALL {
        let hostile = Fault::each("SearchDatastore_Task", Action::Hostile { with });
        zone.lab.proxy().clear();
        zone.lab.proxy().add(hostile);
        let Refusal {
            code,
            reason,
            message,
            ..
        } = zone.refused(ENSURE, &request).await;
        let expected = match with {
            // The reply is over before its first line of SOAP.
            Hostile::Headers => "VCENTER_UNREACHABLE",
            _ => "VCENTER_BAD_REPLY",
        };
        assert_eq!(
            (code, reason.as_str()),
            (UNAVAILABLE, expected),
            "{with:?}: {message}"
        );
        assert!(message.len() < 1000, "{with:?}: {message}");
    }
    let grown = peak_memory(&zone.lab) - before;
    assert!(grown < SHORT, "grown by {} MiB", grown >> 20);
    let made = zone.call(ENSURE, &machines("demo", [1])).await;
    assert_eq!(states(&made), ["RUNNING"], "{made}");
}

#[tokio::test]
async fn a_hostile_reply_to_a_reading_is_given_up_and_read_anew() {
    let zone = Zone::start().await;
    let before = peak_memory(&zone.lab);
    for (slot, with) in (1..).zip(Hostile::ALL) {
        zone.lab
            .proxy()
            .add(Fault::next("WaitForUpdatesEx", Action::Hostile { with }));
        let request = machines("demo", [slot]);
        // The change that it makes is what the next reading would tell.
        let mut reply = zone.attempt(ENSURE, &request).await;
        while reply.is_err() {
            zone.connection("CONNECTED").await;
            reply = zone.attempt(ENSURE, &request).await;
        }
        assert_eq!(states(&reply.unwrap()), ["RUNNING"], "{with:?}");
    }
    let grown = peak_memory(&zone.lab) - before;
    assert!(grown < READING, "grown by {} MiB", grown >> 20);
    assert_eq!(zone.names_of_those_on().await.len(), Hostile::ALL.len());
}
