//! What the targets share: a session from an octet, and the promise every message must keep.

use bgp::wire::{CodecContext, Decoded, EncodeError, Frame, decode, encode, next_frame};
use bgp::{Family, FamilySet, Message, Notification};
use bytes::BytesMut;

/// Makes a session of seven bits, so that one corpus reaches all of them.
pub fn context(bits: u8) -> CodecContext {
    let has = |bit: u8| bits & (1 << bit) != 0;
    let families = Family::ALL.into_iter().filter(|&family| has(2 + family as u8)).collect();
    CodecContext {
        four_octet_asn: has(0),
        extended_messages: has(1),
        families,
        extended_next_hop: if has(4) { [Family::Ipv4].into_iter().collect() } else { FamilySet::NONE },
        add_path_receive: if has(6) { FamilySet::ALL } else { FamilySet::NONE },
        add_path_send: if has(6) { FamilySet::ALL } else { FamilySet::NONE },
        internal: has(5),
    }
}

/// Reads a message; what was understood must be understood the same when we say it, and what was not must
/// leave us with something to say.
pub fn check(frame: Frame, context: &CodecContext) {
    match decode(frame, context) {
        Ok(Decoded { message, .. }) => check_understood(message, context),
        Err(error) => {
            let said = Message::Notification(Notification::from(&error));
            encode(&said, &CodecContext::before_open(), &mut BytesMut::new()).expect("a NOTIFICATION fits");
        }
    }
}

fn check_understood(message: Message, context: &CodecContext) {
    let mut octets = BytesMut::new();
    match encode(&message, context, &mut octets) {
        Ok(()) => (),
        // Ours may be longer than theirs; theirs may have had routes in both fields of one family, or none.
        Err(EncodeError::TooLarge { .. } | EncodeError::Mixed | EncodeError::Empty) => return,
        Err(error) => panic!("{error}: {message:?}"),
    }
    let frame = next_frame(&mut octets, context).expect("our header").expect("all of it");
    assert!(octets.is_empty());
    let again = decode(frame, context).expect("our message");
    assert_eq!(again.offences, []);
    assert_eq!(normal(again.message), normal(message));
}

/// Forgets what may change: the order of withdrawals, and the Partial bit, which we set.
fn normal(mut message: Message) -> Message {
    if let Message::Update(update) = &mut message {
        update.withdrawn.sort_unstable();
        for part in &mut update.announced {
            part.attributes.rare.edit(|rare| {
                rare.unknown.iter_mut().for_each(|attribute| attribute.partial = true);
            });
        }
    }
    message
}
