//! Every method that the driver can call: nothing else is ever sent.

use super::xml::Limits;
use std::fmt;

/// What may come in reply to a method that gives a reference, a word or a few lines.
const SHORT: Limits = Limits {
    bytes: 4 << 20,
    depth: 64,
    elements: 50_000,
};

/// Makes the enum, the list of all, and the name of each in the API.
macro_rules! methods {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A method of the vSphere API that the driver can call.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Method {
            $($(#[$doc])* $variant,)*
        }

        impl Method {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// As the API writes it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

methods! {
    /// Answers what a machine waits to be told.
    AnswerVm = "AnswerVM",
    /// Gives up the pages of a reading that are left.
    CancelRetrievePropertiesEx = "CancelRetrievePropertiesEx",
    /// Ends a wait for updates.
    CancelWaitForUpdates = "CancelWaitForUpdates",
    /// Reads the next page.
    ContinueRetrievePropertiesEx = "ContinueRetrievePropertiesEx",
    /// Makes a folder at the top of a datastore that has objects there.
    CreateDirectory = "CreateDirectory",
    /// Makes a view of all that is below an object.
    CreateContainerView = "CreateContainerView",
    /// Has a collector watch something.
    CreateFilter = "CreateFilter",
    /// Makes a folder.
    CreateFolder = "CreateFolder",
    /// Makes a view of single objects.
    CreateListView = "CreateListView",
    /// Makes a collector of one's own.
    CreatePropertyCollector = "CreatePropertyCollector",
    /// Begins to make a machine.
    CreateVm = "CreateVM_Task",
    /// Reads the server's clock.
    CurrentTime = "CurrentTime",
    /// Begins to remove a file from a datastore.
    DeleteDatastoreFile = "DeleteDatastoreFile_Task",
    /// Gives a collector up.
    DestroyPropertyCollector = "DestroyPropertyCollector",
    /// Ends the watching of something.
    DestroyPropertyFilter = "DestroyPropertyFilter",
    /// Gives a view up.
    DestroyView = "DestroyView",
    /// Begins to remove a machine with its disks.
    Destroy = "Destroy_Task",
    /// Looks for machines by UUID.
    FindAllByUuid = "FindAllByUuid",
    /// Looks for an object by its name.
    FindChild = "FindChild",
    /// Asks which privileges there are.
    HasPrivilegeOnEntities = "HasPrivilegeOnEntities",
    /// Begins a session.
    Login = "Login",
    /// Ends the session.
    Logout = "Logout",
    /// Makes a folder on a datastore.
    MakeDirectory = "MakeDirectory",
    /// Changes which objects a view has.
    ModifyListView = "ModifyListView",
    /// Begins to give a file on a datastore another name.
    MoveDatastoreFile = "MoveDatastoreFile_Task",
    /// Begins to switch a machine off.
    PowerOffVm = "PowerOffVM_Task",
    /// Begins to switch machines on.
    PowerOnMultiVm = "PowerOnMultiVM_Task",
    /// Begins to switch one machine on.
    PowerOnVm = "PowerOnVM_Task",
    /// Begins to change a machine that exists.
    ReconfigVm = "ReconfigVM_Task",
    /// Reads properties once.
    RetrievePropertiesEx = "RetrievePropertiesEx",
    /// Asks what the server is.
    RetrieveServiceContent = "RetrieveServiceContent",
    /// Begins to look for files.
    SearchDatastore = "SearchDatastore_Task",
    /// Waits for changes of what is watched.
    WaitForUpdatesEx = "WaitForUpdatesEx",
}

// === impl Method ===

impl Method {
    /// How much may come in reply: as much as `most` only where there is a line for each object.
    pub fn limits(self, most: Limits) -> Limits {
        let is_reading = matches!(
            self,
            Self::WaitForUpdatesEx
                | Self::RetrievePropertiesEx
                | Self::ContinueRetrievePropertiesEx
        );
        if is_reading {
            return most;
        }
        Limits {
            bytes: most.bytes.min(SHORT.bytes),
            depth: most.depth.min(SHORT.depth),
            elements: most.elements.min(SHORT.elements),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_reading_may_be_answered_at_length() {
        let most = Limits::DEFAULT;
        assert_eq!(Method::WaitForUpdatesEx.limits(most).bytes, most.bytes);
        assert_eq!(Method::CreateVm.limits(most).bytes, SHORT.bytes);
        let less = Limits { bytes: 9, ..most };
        assert_eq!(Method::CreateVm.limits(less).bytes, 9);
    }
}
