//! What all writers share: lengths are written when they are known, after what they count.

use bytes::{BufMut, BytesMut};

use crate::message::MessageKind;
use crate::wire::{CodecContext, EncodeError};

/// Writes a message: the header, then the body. On an error nothing is written.
pub(super) fn message(
    kind: MessageKind,
    context: &CodecContext,
    out: &mut BytesMut,
    body: impl FnOnce(&mut BytesMut) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let start = out.len();
    header(kind, out);
    let written = body(out).and_then(|()| finish(kind, context, start, out));
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// Writes a header whose length is not yet known.
pub(super) fn header(kind: MessageKind, out: &mut BytesMut) {
    out.put_bytes(0xFF, 16);
    out.put_u16(0);
    out.put_u8(kind.code());
}

/// Fills in the length of the message that began at `start`.
pub(super) fn finish(
    kind: MessageKind,
    context: &CodecContext,
    start: usize,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    let length = out.len() - start;
    check_max("message", length, context.max_length(kind))?;
    patch_u16(out, start + 16, length);
    Ok(())
}

/// Writes what a 1-octet length counts.
pub(super) fn counted_u8(
    field: &'static str,
    out: &mut BytesMut,
    body: impl FnOnce(&mut BytesMut) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let at = out.len();
    out.put_u8(0);
    body(out)?;
    let length = out.len() - at - 1;
    check_max(field, length, u8::MAX.into())?;
    patch_u8(out, at, u8::try_from(length).unwrap_or(u8::MAX));
    Ok(())
}

/// Writes what a 2-octet length counts.
pub(super) fn counted_u16(
    field: &'static str,
    out: &mut BytesMut,
    body: impl FnOnce(&mut BytesMut) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let at = out.len();
    out.put_u16(0);
    body(out)?;
    let length = out.len() - at - 2;
    check_max(field, length, u16::MAX.into())?;
    patch_u16(out, at, length);
    Ok(())
}

/// Overwrites an octet.
pub(super) fn patch_u8(out: &mut BytesMut, at: usize, octet: u8) {
    patch(out, at, &[octet]);
}

/// Puts an octet in before another, moving all that follow.
pub(super) fn insert_u8(out: &mut BytesMut, at: usize, octet: u8) {
    let end = out.len();
    out.put_u8(octet);
    if let Some(tail) = out.get_mut(at..=end) {
        tail.rotate_right(1);
    }
}

/// Overwrites two octets with a length that was checked to fit them.
pub(super) fn patch_u16(out: &mut BytesMut, at: usize, length: usize) {
    patch(out, at, &u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
}

/// Tells whether something fits where it must go.
pub(super) fn check_max(field: &'static str, actual: usize, max: usize) -> Result<(), EncodeError> {
    if actual > max { Err(EncodeError::TooLarge { field, actual, max }) } else { Ok(()) }
}

fn patch(out: &mut BytesMut, at: usize, octets: &[u8]) {
    if let Some(slot) = out.get_mut(at..at + octets.len()) {
        slot.copy_from_slice(octets);
    }
}
