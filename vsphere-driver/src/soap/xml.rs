//! The XML of requests and replies.

mod cursor;
mod element;
mod writer;

pub use self::{
    cursor::{Cursor, InvalidXml, Limits, Start},
    element::Element,
    writer::Writer,
};
