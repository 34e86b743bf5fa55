//! The body of an UPDATE. The first octet chooses the session.
#![no_main]

use bgp::message::MessageKind;
use bgp::wire::Frame;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&bits, body)) = input.split_first() else { return };
    let frame = Frame { kind: MessageKind::Update, body: Bytes::copy_from_slice(body) };
    bgp_fuzz::check(frame, &bgp_fuzz::context(bits));
});
