//! The rules of conditions, as tables.
