//! A machine as what runs in it finds it.

use serde::Deserialize;

/// A machine of the simulated vCenter, seen from inside.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Guest {
    /// Its managed object id, by which nobody inside knows it.
    pub vm: String,
    /// Its name, by which nobody inside knows it either; tests do.
    pub name: String,
    /// Whether it runs.
    pub on: bool,
    /// Its SMBIOS UUID as vCenter prints it.
    pub uuid: String,
    /// How many processors it has.
    pub cpus: i64,
    /// How much memory it has.
    #[serde(rename = "memoryMB")]
    pub memory_mb: i64,
    /// Addresses of its network cards.
    pub macs: Vec<String>,
    /// Its disks.
    pub disks: Vec<Disk>,
    /// The file in its CD-ROM drive.
    pub iso: String,
}

/// A disk of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Disk {
    /// UUID of its file.
    pub uuid: String,
    /// Its size.
    pub bytes: i64,
}

impl Guest {
    /// What Linux reads in `/sys/class/dmi/id/product_uuid`.
    pub fn product_uuid(&self) -> String {
        product_uuid(&self.uuid)
    }

    /// What Linux reads in `/sys/class/dmi/id/product_serial`.
    pub fn serial_number(&self) -> String {
        serial_number(&self.uuid)
    }
}

/// The UUID in the order in which Linux prints it for machines of hardware version 13 and later:
/// SMBIOS 2.6 says that the first three groups are little-endian.
pub fn product_uuid(uuid: &str) -> String {
    let groups: Vec<_> = uuid.split('-').collect();
    let swapped = groups.iter().enumerate().map(|(number, group)| {
        if number < 3 {
            bytes(group).rev().collect::<String>()
        } else {
            (*group).to_owned()
        }
    });
    swapped.collect::<Vec<_>>().join("-").to_lowercase()
}

/// `VMware-` and the 16 bytes in the order in which vCenter prints them.
pub fn serial_number(uuid: &str) -> String {
    let digits: String = uuid.chars().filter(|it| *it != '-').collect();
    let bytes: Vec<_> = bytes(&digits).collect();
    let (front, back) = bytes.split_at(bytes.len() / 2);
    format!("VMware-{}-{}", front.join(" "), back.join(" "))
}

/// Two digits each.
fn bytes(digits: &str) -> impl DoubleEndedIterator<Item = &str> {
    (0..digits.len() / 2).filter_map(|number| digits.get(2 * number..2 * number + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_known_inside_by_two_orders_of_the_same_bytes() {
        let uuid = "420e3f74-ea84-f9a2-0123-456789abcdef";
        assert_eq!(product_uuid(uuid), "743f0e42-84ea-a2f9-0123-456789abcdef");
        assert_eq!(product_uuid(&product_uuid(uuid)), uuid);
        assert_eq!(
            serial_number(uuid),
            "VMware-42 0e 3f 74 ea 84 f9 a2-01 23 45 67 89 ab cd ef"
        );
    }
}
