//! Messages out of a byte stream (RFC 4271 §4.1).

use bytes::{Buf, Bytes, BytesMut};

use crate::message::MessageKind;
use crate::wire::write::{header, patch_u16};
use crate::wire::{CodecContext, DecodeError, HEADER, HeaderFault};

/// One message as it came, its header checked and taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What kind of message it is.
    pub kind: MessageKind,
    /// All octets after the header.
    pub body: Bytes,
}

impl Frame {
    /// Returns the whole message as it was on the wire: a header that was checked has but one shape.
    #[must_use]
    pub fn octets(&self) -> Bytes {
        let mut octets = BytesMut::with_capacity(HEADER + self.body.len());
        header(self.kind, &mut octets);
        patch_u16(&mut octets, HEADER - 3, HEADER + self.body.len());
        octets.extend_from_slice(&self.body);
        octets.freeze()
    }
}

/// Takes the next message off a buffer; `None` when more octets are needed.
///
/// # Errors
///
/// The header is wrong, which is said as soon as the header is there: a length that is out of bounds never
/// makes us wait for a body.
pub fn next_frame(buffer: &mut BytesMut, context: &CodecContext) -> Result<Option<Frame>, DecodeError> {
    let Some(header) = buffer.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let (kind, length) = check(header, context)?;
    if buffer.len() < length {
        buffer.reserve(length - buffer.len());
        return Ok(None);
    }
    let mut body = buffer.split_to(length).freeze();
    body.advance(HEADER);
    Ok(Some(Frame { kind, body }))
}

/// Returns the error of a body that is too long or too short for its kind.
pub(super) fn bad_length(body: &[u8]) -> DecodeError {
    HeaderFault::Length(u16::try_from(HEADER + body.len()).unwrap_or(u16::MAX)).into()
}

fn check(header: &[u8; HEADER], context: &CodecContext) -> Result<(MessageKind, usize), HeaderFault> {
    let [marker @ .., high, low, code] = header;
    if marker.iter().any(|&octet| octet != 0xFF) {
        return Err(HeaderFault::Marker);
    }
    let length = u16::from_be_bytes([*high, *low]);
    let octets = usize::from(length);
    if octets < HEADER || octets > context.max_length(MessageKind::Update) {
        return Err(HeaderFault::Length(length));
    }
    let kind = MessageKind::from_code(*code).ok_or(HeaderFault::Kind(*code))?;
    if octets < min_length(kind) || octets > max_length(kind, context) {
        return Err(HeaderFault::Length(length));
    }
    Ok((kind, octets))
}

/// The fixed part of each kind. A ROUTE-REFRESH of any length is read, since RFC 7313 §5 has an error of its
/// own for those of a wrong one.
fn min_length(kind: MessageKind) -> usize {
    HEADER
        + match kind {
            MessageKind::Open => 10,
            MessageKind::Update => 4,
            MessageKind::Notification => 2,
            MessageKind::Keepalive | MessageKind::RouteRefresh => 0,
        }
}

fn max_length(kind: MessageKind, context: &CodecContext) -> usize {
    match kind {
        MessageKind::Keepalive => HEADER,
        _ => context.max_length(kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(length: u16, code: u8) -> BytesMut {
        let mut octets = BytesMut::from(&[0xFF; 16][..]);
        octets.extend_from_slice(&length.to_be_bytes());
        octets.extend_from_slice(&[code]);
        octets
    }

    fn fault(length: u16, code: u8, context: &CodecContext) -> Option<HeaderFault> {
        match next_frame(&mut header(length, code), context) {
            Err(DecodeError::Header(fault)) => Some(fault),
            _ => None,
        }
    }

    fn extended() -> CodecContext {
        CodecContext { extended_messages: true, ..CodecContext::before_open() }
    }

    #[test]
    fn a_message_is_taken_only_when_it_is_all_there() {
        let mut whole = header(21, 3);
        whole.extend_from_slice(&[6, 2]);
        whole.extend_from_slice(&header(19, 4));
        let mut buffer = BytesMut::new();
        let mut kinds = Vec::new();
        let mut again = BytesMut::new();
        for octet in whole.clone() {
            buffer.extend_from_slice(&[octet]);
            if let Some(frame) = next_frame(&mut buffer, &CodecContext::before_open()).unwrap() {
                again.extend_from_slice(&frame.octets());
                kinds.push((frame.kind, frame.body.to_vec()));
            }
        }
        assert_eq!(kinds, [(MessageKind::Notification, vec![6, 2]), (MessageKind::Keepalive, vec![])]);
        assert!(buffer.is_empty());
        assert_eq!(again, whole);
    }

    #[test]
    fn a_marker_that_is_not_all_ones_is_refused() {
        let mut octets = header(19, 4);
        octets[15] = 0xFE;
        let error = next_frame(&mut octets, &extended()).unwrap_err();
        assert_eq!(error, DecodeError::Header(HeaderFault::Marker));
    }

    #[test]
    fn a_wrong_length_is_refused_before_the_body_comes() {
        let short = CodecContext::before_open();
        for (length, code) in [(18, 4), (0, 2), (20, 4), (28, 1), (22, 2), (20, 3), (4097, 1), (4097, 2)] {
            assert_eq!(fault(length, code, &short), Some(HeaderFault::Length(length)), "{length} of {code}");
        }
    }

    #[test]
    fn extended_messages_are_not_for_open_and_keepalive() {
        for code in [1, 4] {
            assert_eq!(fault(4097, code, &extended()), Some(HeaderFault::Length(4097)));
        }
        for code in [2, 3, 5] {
            assert_eq!(fault(65_535, code, &extended()), None);
            assert_eq!(fault(4096, code, &CodecContext::before_open()), None);
        }
    }

    #[test]
    fn an_unknown_type_is_refused_by_its_number() {
        assert_eq!(fault(19, 0, &extended()), Some(HeaderFault::Kind(0)));
        assert_eq!(fault(19, 6, &extended()), Some(HeaderFault::Kind(6)));
    }
}
