//! Why a URL, a host or an address is refused.

use contract::v1::{Fault, Reason};
use std::fmt;

/// A rule of the policy that refuses. The first ones are of the form of a URL, the others can be lifted
/// by the driver's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The URL is too long.
    Length,
    /// Something other than visible ASCII, or a backslash, is in it.
    Characters,
    /// It is no `scheme://host/…`.
    Form,
    /// Neither `https` nor `http`.
    Scheme,
    /// A user name is in it.
    UserInfo,
    /// A fragment is in it.
    Fragment,
    /// Its host or port is written in a way that programs read differently.
    Spelling,
    /// A port of other services.
    Port,
    /// `http` is not permitted.
    Http,
    /// The list of allowed sources does not name it.
    NotListed,
    /// The driver's own machine.
    Loopback,
    /// An address of one wire.
    LinkLocal,
    /// The metadata service of a cloud, which gives credentials.
    Metadata,
    /// No address at all.
    Unspecified,
    /// An address of many.
    Multicast,
    /// An address of all.
    Broadcast,
    /// An address that nobody has, or of a documentation.
    Reserved,
    /// An address of the driver.
    Driver,
    /// A vCenter.
    Vcenter,
    /// More redirects than are followed.
    Redirects,
    /// A redirect from `https` to `http`.
    Downgrade,
}

// === impl Rule ===

impl Rule {
    /// The word for it in a fault's metadata.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Characters => "characters",
            Self::Form => "form",
            Self::Scheme => "scheme",
            Self::UserInfo => "user_info",
            Self::Fragment => "fragment",
            Self::Spelling => "spelling",
            Self::Port => "port",
            Self::Http => "http",
            Self::NotListed => "not_listed",
            Self::Loopback => "loopback",
            Self::LinkLocal => "link_local",
            Self::Metadata => "metadata",
            Self::Unspecified => "unspecified",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Reserved => "reserved",
            Self::Driver => "driver",
            Self::Vcenter => "vcenter",
            Self::Redirects => "redirects",
            Self::Downgrade => "downgrade",
        }
    }

    /// What is wrong, to follow the name of what was refused.
    const fn words(self) -> &'static str {
        match self {
            Self::Length => "is longer than 4 KiB",
            Self::Characters => "has a character other than visible ASCII, or a backslash, in it",
            Self::Form => "must have a scheme and a host, as `https://host:8443/path` has",
            Self::Scheme => "must begin with `https://`",
            Self::UserInfo => "must not hold a user name",
            Self::Fragment => "must not hold a fragment",
            Self::Spelling => {
                "writes its host or port in an unusual way: write a name in ASCII without a dot at \
                 its end, an address with four decimal numbers or in brackets, a port without zeros"
            }
            Self::Port => "names a port of other services: below 1024 there are only 80 and 443",
            Self::Http => "is asked over `http`, which the driver's configuration does not permit",
            Self::NotListed => "is not among the allowed sources of the driver's configuration",
            Self::Loopback => "leads to the driver's own machine",
            Self::LinkLocal => "leads to a link-local address",
            Self::Metadata => "leads to the metadata service of a cloud",
            Self::Unspecified => "leads to the unspecified address",
            Self::Multicast => "leads to a multicast address",
            Self::Broadcast => "leads to a broadcast address",
            Self::Reserved => "leads to a reserved address",
            Self::Driver => "leads to an address of the driver itself",
            Self::Vcenter => "leads to a vCenter",
            Self::Redirects => "redirects more than 3 times",
            Self::Downgrade => "redirects from `https` to `http`",
        }
    }

    /// Whether it is a mistake in the URL itself, which no configuration mends.
    pub(super) const fn is_of_form(self) -> bool {
        matches!(
            self,
            Self::Length
                | Self::Characters
                | Self::Form
                | Self::Scheme
                | Self::UserInfo
                | Self::Fragment
                | Self::Spelling
                | Self::Port
        )
    }

    /// The fault of `host` being refused. A URL is never part of it.
    pub(super) fn refuses(self, host: &str) -> Fault {
        let fault = Fault::new(Reason::IsoSourceRefused, format!("`{host}` {self}"));
        fault.with("host", host).with("rule", self.word())
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

impl std::error::Error for Rule {}
