//! Octets for tests.

use bytes::{Bytes, BytesMut};

use crate::message::MessageKind;
use crate::wire::{CodecContext, DecodeError, Decoded, Frame, Offence, decode, encode, next_frame};
use crate::{Family, FamilySet, Message, Notification, Update};

pub(super) const ORIGIN: &[u8] = &[0x40, 1, 1, 0];
/// 65001, in four octets.
pub(super) const AS_PATH: &[u8] = &[0x40, 2, 6, 2, 1, 0, 0, 0xFD, 0xE9];
/// 192.0.2.1
pub(super) const NEXT_HOP: &[u8] = &[0x40, 3, 4, 192, 0, 2, 1];
/// 10.1.2.0/24
pub(super) const PREFIX: &[u8] = &[24, 10, 1, 2];
/// 2001:db8::/32 by 2001:db8::1
pub(super) const MP_REACH: &[u8] = &[
    0x80, 14, 26, 0, 2, 1, 16, 0x20, 1, 0xD, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 32, 0x20, 1, 0xD,
    0xB8,
];

pub(super) fn external() -> CodecContext {
    CodecContext {
        four_octet_asn: true,
        extended_messages: false,
        families: FamilySet::ALL,
        extended_next_hop: [Family::Ipv4].into_iter().collect(),
        add_path_receive: FamilySet::NONE,
        add_path_send: FamilySet::NONE,
        internal: false,
    }
}

pub(super) fn internal() -> CodecContext {
    CodecContext { internal: true, ..external() }
}

pub(super) fn several_paths() -> CodecContext {
    CodecContext { add_path_receive: FamilySet::ALL, add_path_send: FamilySet::ALL, ..external() }
}

pub(super) fn two_octet() -> CodecContext {
    CodecContext { four_octet_asn: false, ..external() }
}

/// The body of an UPDATE.
pub(super) fn body(withdrawn: &[u8], attributes: &[&[u8]], nlri: &[u8]) -> Vec<u8> {
    let attributes = attributes.concat();
    let mut body = Vec::new();
    body.extend_from_slice(&u16::try_from(withdrawn.len()).unwrap().to_be_bytes());
    body.extend_from_slice(withdrawn);
    body.extend_from_slice(&u16::try_from(attributes.len()).unwrap().to_be_bytes());
    body.extend_from_slice(&attributes);
    body.extend_from_slice(nlri);
    body
}

pub(super) fn read(body: &[u8], context: &CodecContext) -> Result<(Update, Vec<Offence>), DecodeError> {
    let frame = Frame { kind: MessageKind::Update, body: Bytes::copy_from_slice(body) };
    match decode(frame, context)? {
        Decoded { message: Message::Update(update), offences } => Ok((update, offences)),
        other => panic!("{other:?}"),
    }
}

/// The codes of the NOTIFICATION that answers a message body, and its data.
pub(super) fn refused(body: &[u8], context: &CodecContext) -> (u8, u8, Vec<u8>) {
    let notification = Notification::from(&read(body, context).unwrap_err());
    let (code, subcode) = notification.error.codes();
    (code, subcode, notification.data.to_vec())
}

/// Writes a message and reads it back.
pub(super) fn there_and_back(message: &Message, context: &CodecContext) -> Decoded {
    let mut out = BytesMut::new();
    encode(message, context, &mut out).unwrap();
    let frame = next_frame(&mut out, context).unwrap().unwrap();
    assert!(out.is_empty());
    decode(frame, context).unwrap()
}

/// Reads all messages of a stream.
pub(super) fn read_all(mut octets: BytesMut, context: &CodecContext) -> Vec<Update> {
    let mut updates = Vec::new();
    while let Some(frame) = next_frame(&mut octets, context).unwrap() {
        updates.push(read(&frame.body, context).unwrap().0);
    }
    assert!(octets.is_empty());
    updates
}
