//! Many routes into few UPDATEs.
//!
//! Whole tables pass through here: the attributes are written once and copied into each message, and a
//! message is full when the next prefix would not fit.

use bytes::{BufMut, BytesMut};

use crate::message::MessageKind;
use crate::wire::attribute::{self, mp_reach, mp_unreach};
use crate::wire::nlri::Form;
use crate::wire::update::{Place, end_attribute};
use crate::wire::write::{check_max, header, patch_u16};
use crate::wire::{CodecContext, EncodeError, HEADER, nlri};
use crate::{Family, NextHop, Nlri, PathAttributes};

#[cfg(test)]
mod tests;

/// Appends UPDATEs that announce the prefixes with these attributes; returns how many.
///
/// Prefixes of another family are left out.
///
/// # Errors
///
/// The attributes alone fill a message, or the next hop is not one these routes can have on this session;
/// nothing is written then.
pub fn announce(
    attributes: &PathAttributes,
    family: Family,
    nlri: &[Nlri],
    context: &CodecContext,
    out: &mut BytesMut,
) -> Result<usize, EncodeError> {
    let place = Place::of(family, attributes.next_hop, context)?;
    let mut shared = BytesMut::new();
    attribute::encode(attributes, context, &mut shared);
    let mut first = BytesMut::new();
    let length_at = match place {
        Place::Field => 0,
        Place::Attribute => mp_reach::begin(family, attributes.next_hop, &mut first),
    };
    let overhead = HEADER + 4 + first.len() + shared.len();
    let max = context.max_length(MessageKind::Update);
    let form = context.sent(family);
    check_max("attributes and a prefix", overhead + form.longest(family), max)?;
    let mut messages = 0;
    let mut left = of_family(family, nlri);
    while left.peek().is_some() {
        let start = out.len();
        header(MessageKind::Update, out);
        out.put_u16(0);
        let attributes_at = out.len();
        out.put_u16(0);
        match place {
            Place::Field => {
                out.put_slice(&shared);
                patch_u16(out, attributes_at, shared.len());
                fill(&mut left, form, max - overhead, out);
            }
            Place::Attribute => {
                let attribute_at = out.len();
                out.put_slice(&first);
                fill(&mut left, form, max - overhead, out);
                end_attribute(attribute_at + length_at, out);
                out.put_slice(&shared);
                patch_u16(out, attributes_at, out.len() - attributes_at - 2);
            }
        }
        patch_u16(out, start + 16, out.len() - start);
        messages += 1;
    }
    Ok(messages)
}

/// Appends UPDATEs that withdraw the prefixes; returns how many.
///
/// Prefixes of another family are left out.
pub fn withdraw(family: Family, nlri: &[Nlri], context: &CodecContext, out: &mut BytesMut) -> usize {
    let form = context.sent(family);
    let mut messages = 0;
    let mut left = of_family(family, nlri);
    while left.peek().is_some() {
        withdrawal(family, context, out, |room, out| fill(&mut left, form, room, out));
        messages += 1;
    }
    messages
}

/// Appends the UPDATE that says all routes of a family have been sent (RFC 4724 §2).
pub fn end_of_rib(family: Family, context: &CodecContext, out: &mut BytesMut) {
    withdrawal(family, context, out, |_, _| ());
}

/// Appends the attributes of a route as a table in a file has them: 4-octet AS numbers, and of MP_REACH_NLRI
/// only the next hop (RFC 6396 §4.3.4).
pub(crate) fn table_entry(attributes: &PathAttributes, out: &mut BytesMut) {
    let context = CodecContext { four_octet_asn: true, internal: true, ..CodecContext::before_open() };
    attribute::encode(attributes, &context, out);
    if matches!(attributes.next_hop, NextHop::V6 { .. }) {
        mp_reach::next_hop_alone(attributes.next_hop, out);
    }
}

/// Appends a prefix without a path identifier.
pub(crate) fn prefix(nlri: &Nlri, out: &mut BytesMut) {
    nlri::encode(nlri, nlri::Form::Bare, out);
}

fn of_family(family: Family, nlri: &[Nlri]) -> std::iter::Peekable<impl Iterator<Item = &Nlri>> {
    nlri.iter().filter(move |nlri| Family::of(&nlri.prefix) == family).peekable()
}

/// Writes a message that withdraws what `routes`, told how much room there is, writes.
fn withdrawal(
    family: Family,
    context: &CodecContext,
    out: &mut BytesMut,
    routes: impl FnOnce(usize, &mut BytesMut),
) {
    let start = out.len();
    header(MessageKind::Update, out);
    let room = context.max_length(MessageKind::Update) - HEADER - 4;
    let withdrawn_at = out.len();
    out.put_u16(0);
    match family {
        Family::Ipv4 => {
            routes(room, out);
            patch_u16(out, withdrawn_at, out.len() - withdrawn_at - 2);
            out.put_u16(0);
        }
        Family::Ipv6 => {
            let attributes_at = out.len();
            out.put_u16(0);
            let attribute_at = out.len();
            let length_at = mp_unreach::begin(family, out);
            routes(room - (out.len() - attribute_at), out);
            end_attribute(length_at, out);
            patch_u16(out, attributes_at, out.len() - attributes_at - 2);
        }
    }
    patch_u16(out, start + 16, out.len() - start);
}

/// Writes prefixes while there is room for the next.
fn fill<'a>(
    left: &mut std::iter::Peekable<impl Iterator<Item = &'a Nlri>>,
    form: Form,
    mut room: usize,
    out: &mut BytesMut,
) {
    while let Some(next) = left.next_if(|next| nlri::size(next, form) <= room) {
        room -= nlri::size(next, form);
        nlri::encode(next, form, out);
    }
}
