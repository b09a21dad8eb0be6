//! How machines and templates leave, and what they let go of on the way.
//!
//! A machine that has an Agent goes in stages, the first of which can be taken back: its Agent is fenced, so
//! that nobody binds it; then it is looked at once more; then it is destroyed; and when it is proved gone, its
//! Agent is deleted, and let go last.

pub(crate) mod agent;
pub(crate) mod census;
pub(crate) mod course;
pub(crate) mod release;
pub(crate) mod secret;
pub(crate) mod ties;
pub(crate) mod victims;
