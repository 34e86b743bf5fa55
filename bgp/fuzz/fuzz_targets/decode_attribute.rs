//! Path attributes between sound lengths and one route. The first octet chooses the session.
#![no_main]

use bgp::message::MessageKind;
use bgp::wire::Frame;
use bytes::{BufMut, BytesMut};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&bits, attributes)) = input.split_first() else { return };
    let Ok(length) = u16::try_from(attributes.len()) else { return };
    let mut body = BytesMut::new();
    body.put_u16(0);
    body.put_u16(length);
    body.put_slice(attributes);
    body.put_slice(&[24, 10, 1, 2]);
    let frame = Frame { kind: MessageKind::Update, body: body.freeze() };
    bgp_fuzz::check(frame, &bgp_fuzz::context(bits));
});
