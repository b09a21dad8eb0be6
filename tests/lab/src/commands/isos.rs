//! ISOs in plays with kills and outages: those that are mounted must stay as they are, and each that
//! can be seen must be whole.

mod eyes;
mod library;
mod rule;

pub(super) use self::eyes::Watch;
pub(super) use self::library::Library;
pub(super) use self::rule::Figures;

/// How large images are: large enough to be broken off in many places, and soon read again and again.
pub(super) const SIZE: u64 = 1 << 20;
/// What is configured of the driver: what nobody needs goes soon.
pub(super) const GRACE: &str = "grace = \"2s\"\n";
/// Where the driver keeps what it fetched.
const FOLDER: &str = "hcp-iso";

/// Whether the name of a file says that it is a whole ISO.
pub(super) fn is_whole(name: &str) -> bool {
    let extension = std::path::Path::new(name).extension();
    extension.is_some_and(|it| it == "iso") && !name.contains(".part-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_and_a_record_are_no_whole_iso() {
        for (name, whole) in [
            ("agent-0123456789abcdef.iso", true),
            ("/folder/hcp-iso/agent-0123456789abcdef.iso", true),
            ("agent.part-0123456789ab.iso", false),
            ("agent-0123456789abcdef.iso.json", false),
        ] {
            assert_eq!(is_whole(name), whole, "{name}");
        }
    }
}
