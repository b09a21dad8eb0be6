//! The rules of a status, as tables.
