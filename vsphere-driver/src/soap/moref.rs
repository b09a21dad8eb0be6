//! References to vCenter's objects.

use std::fmt;

/// A managed object reference: what vCenter calls an object, good for as long as the object lives.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MoRef {
    /// Type of the object: `VirtualMachine`.
    pub kind: Box<str>,
    /// Its id within this vCenter: `vm-12`.
    pub id: Box<str>,
}

// === impl MoRef ===

impl MoRef {
    /// The object of this type and id.
    pub fn new(kind: impl Into<Box<str>>, id: impl Into<Box<str>>) -> Self {
        Self {
            kind: kind.into(),
            id: id.into(),
        }
    }
}

impl fmt::Display for MoRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_prints_as_type_and_id() {
        let vm = MoRef::new("VirtualMachine", "vm-12");
        assert_eq!(vm.to_string(), "VirtualMachine:vm-12");
    }
}
