//! A stream of messages, as it comes from a peer. The first octet chooses the session.
#![no_main]

use bgp::wire::next_frame;
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&bits, stream)) = input.split_first() else { return };
    let context = bgp_fuzz::context(bits);
    let mut buffer = BytesMut::from(stream);
    while let Ok(Some(frame)) = next_frame(&mut buffer, &context) {
        bgp_fuzz::check(frame, &context);
    }
});
