//! What came back: the answer to a call, or the fault in its place.

use super::{
    fault::VimFault,
    xml::{Cursor, InvalidXml, Limits, Start},
};

/// A reply that was understood.
#[derive(Debug)]
pub enum Reply<T> {
    /// The method's answer.
    Answer(T),
    /// The method's fault.
    Fault(Box<VimFault>),
}

/// Reads a reply; `decode` gets the `…Response` element and leaves the cursor behind it.
///
/// # Errors
/// The reply is not a whole SOAP envelope, or `decode` does not find what it needs.
pub fn read<T>(
    document: &[u8],
    limits: Limits,
    decode: impl FnOnce(&mut Cursor<'_>, Start) -> Result<T, InvalidXml>,
) -> Result<Reply<T>, InvalidXml> {
    let mut cursor = Cursor::new(document, limits)?;
    if &*cursor.root()?.name != "Envelope" {
        return Err(InvalidXml::Missing("Envelope"));
    }
    let missing = InvalidXml::Missing("Body");
    cursor.child_named("Body")?.ok_or(missing)?;
    let missing = InvalidXml::Missing("Response");
    let start = cursor.child()?.ok_or(missing)?;
    let reply = if &*start.name == "Fault" {
        let fault = cursor.element(start)?;
        Reply::Fault(Box::new(VimFault::of_soap(&fault)))
    } else {
        Reply::Answer(decode(&mut cursor, start)?)
    };
    // A reply that was cut off behind what mattered was cut off all the same.
    cursor.finish()?;
    Ok(reply)
}
