//! UPDATE (RFC 4271 §4.3), and what RFC 7606 makes of a bad one.

use std::collections::BTreeSet;

use bytes::BytesMut;
use nom::combinator::rest;
use nom::multi::length_data;
use nom::number::complete::be_u16;

use crate::wire::attribute::{self, AS_PATH, MP_REACH, NEXT_HOP, ORIGIN, Received, mp_reach, mp_unreach};
use crate::wire::read::whole;
use crate::wire::write::{counted_u16, patch_u16};
use crate::wire::{CodecContext, DecodeError, Decoded, Disposition, EncodeError, Offence, WireError, nlri};
use crate::{Announcement, Family, Message, NextHop, Nlri, PathAttributes, Update};

#[cfg(test)]
mod tests;

/// An UPDATE of no routes and no attributes.
const EMPTY: [u8; 4] = [0; 4];
/// The attribute code of what lies outside the attributes.
const FIELDS: u8 = 0;

pub(super) fn decode(body: &[u8], context: &CodecContext) -> Result<Decoded, DecodeError> {
    let mut offences = Vec::new();
    let sections = whole((length_data(be_u16), length_data(be_u16), rest), body);
    let (withdrawn, attributes, announced) = sections.map_err(fields)?;
    let received = attribute::decode(attributes, context, &mut offences)?;
    let withdrawn = prefixes(withdrawn, context, &mut offences)?;
    let announced = prefixes(announced, context, &mut offences)?;
    offences.extend(missing(&received, !announced.is_empty()));
    let worst = offences.iter().map(|offence| offence.disposition).max().unwrap_or(Disposition::Accept);
    if worst >= Disposition::TreatAsWithdraw && !routes_found(&received, &announced) {
        return Err(attribute::reset(FIELDS, WireError::RoutesNotFound, &[]));
    }
    let end_of_rib = match &received.mp_unreach {
        _ if body == EMPTY => Some(Family::Ipv4).filter(|&family| context.families.contains(family)),
        Some(unreach) if unreach.nlri.is_empty() && withdrawn.is_empty() && announced.is_empty() => {
            Some(unreach.family).filter(|_| received.seen.only_mp_unreach())
        }
        _ => None,
    };
    let update = Update { end_of_rib, ..settle(received, withdrawn, announced, worst) };
    Ok(Decoded { message: Message::Update(update), offences })
}

/// Makes the error of the fields outside the attributes, none of which RFC 7606 forgives.
fn fields(error: WireError) -> DecodeError {
    attribute::reset(FIELDS, error, &[])
}

/// Reads one of the two fields for IPv4 prefixes. Where IPv4 was not negotiated nobody reads them.
fn prefixes(
    octets: &[u8],
    context: &CodecContext,
    offences: &mut Vec<Offence>,
) -> Result<Vec<Nlri>, DecodeError> {
    if octets.is_empty() || context.families.contains(Family::Ipv4) {
        return nlri::decode(Family::Ipv4, context.received(Family::Ipv4), octets).map_err(fields);
    }
    offences.push(Offence {
        attribute: FIELDS,
        error: WireError::FamilyNotNegotiated(Family::Ipv4.code()),
        disposition: Disposition::DiscardAttribute,
    });
    Ok(Vec::new())
}

/// Lists the mandatory attributes that did not come with routes (RFC 7606 §3 d). NEXT_HOP is mandatory only
/// beside the NLRI field.
fn missing(received: &Received, nlri_field: bool) -> impl Iterator<Item = Offence> {
    let in_attribute = received.mp_reach.as_ref().is_some_and(|reach| !reach.nlri.is_empty());
    let mandatory =
        [(ORIGIN, nlri_field || in_attribute), (AS_PATH, nlri_field || in_attribute), (NEXT_HOP, nlri_field)];
    let absent = mandatory.map(|(code, needed)| (needed && !received.seen.contains(code)).then_some(code));
    absent.into_iter().flatten().map(|attribute| Offence {
        attribute,
        error: WireError::Missing,
        disposition: Disposition::TreatAsWithdraw,
    })
}

/// Tells whether the routes to be treated as withdrawn are known to be the right ones.
///
/// Attributes without any reachable route make us doubt that we found the routes at all (RFC 7606 §5.2).
fn routes_found(received: &Received, announced: &[Nlri]) -> bool {
    let ignored_family = received.seen.contains(MP_REACH) && received.mp_reach.is_none();
    let reachable = received.mp_reach.as_ref().is_some_and(|reach| !reach.nlri.is_empty());
    !announced.is_empty() || reachable || ignored_family || received.seen.only_mp_unreach()
}

/// Sorts the routes into announced and withdrawn. Each field's routes have a next hop of their own and share
/// the other attributes; those that lack either are withdrawn.
fn settle(mut received: Received, withdrawn: Vec<Nlri>, field: Vec<Nlri>, worst: Disposition) -> Update {
    let mut update = Update { withdrawn, ..Update::default() };
    update.withdrawn.extend(received.mp_unreach.take().into_iter().flat_map(|unreach| unreach.nlri));
    let in_attribute = received.mp_reach.take().map(|reach| (Some(reach.next_hop), reach.nlri));
    for (next_hop, nlri) in [(received.next_hop, field)].into_iter().chain(in_attribute) {
        if nlri.is_empty() {
            continue;
        }
        let usable = next_hop.filter(|_| worst < Disposition::TreatAsWithdraw);
        match usable.and_then(|next_hop| received.to_attributes(next_hop)) {
            Some(attributes) => update.announced.push(Announcement { attributes, nlri }),
            None => update.withdrawn.extend(nlri),
        }
    }
    if !update.withdrawn.is_empty() && !update.announced.is_empty() {
        let announced: BTreeSet<_> = update.announced.iter().flat_map(|part| &part.nlri).copied().collect();
        update.withdrawn.retain(|nlri| !announced.contains(nlri));
    }
    update
}

/// Writes the body of one UPDATE. The attributes that carry routes go first (RFC 7606 §5.1).
pub(super) fn encode(update: &Update, context: &CodecContext, out: &mut BytesMut) -> Result<(), EncodeError> {
    let parts = Parts::of(update, context)?;
    let write = |nlri: &Nlri, out: &mut BytesMut| {
        nlri::encode(nlri, context.sent(Family::of(&nlri.prefix)), out);
    };
    counted_u16("withdrawn routes", out, |out| {
        update.withdrawn.iter().filter(is_ipv4).for_each(|nlri| write(nlri, out));
        Ok(())
    })?;
    counted_u16("attributes", out, |out| {
        let unreachable = update.withdrawn.iter().filter(|nlri| !is_ipv4(nlri));
        if unreachable.clone().next().is_some() || update.end_of_rib == Some(Family::Ipv6) {
            let length_at = mp_unreach::begin(Family::Ipv6, out);
            unreachable.for_each(|nlri| write(nlri, out));
            end_attribute(length_at, out);
        }
        if let Some((family, part)) = parts.in_attribute {
            let length_at = mp_reach::begin(family, part.attributes.next_hop, out);
            part.nlri.iter().for_each(|nlri| write(nlri, out));
            end_attribute(length_at, out);
        }
        if let Some(attributes) = parts.attributes() {
            attribute::encode(attributes, context, out);
        }
        Ok(())
    })?;
    let field = parts.in_field.map(|part| part.nlri.as_slice()).unwrap_or_default();
    field.iter().for_each(|nlri| write(nlri, out));
    Ok(())
}

/// Fills in the length of MP_REACH_NLRI or MP_UNREACH_NLRI. One too long for it makes the message too long.
pub(super) fn end_attribute(length_at: usize, out: &mut BytesMut) {
    patch_u16(out, length_at, out.len() - length_at - 2);
}

fn is_ipv4(nlri: &&Nlri) -> bool {
    Family::of(&nlri.prefix) == Family::Ipv4
}

/// Where the routes of one family go with this next hop.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Into the NLRI field, their next hop into NEXT_HOP.
    Field,
    /// Into MP_REACH_NLRI with their next hop.
    Attribute,
}

impl Place {
    pub(super) fn of(family: Family, next_hop: NextHop, context: &CodecContext) -> Result<Self, EncodeError> {
        match (family, next_hop) {
            (Family::Ipv4, NextHop::V4(_)) => Ok(Self::Field),
            (Family::Ipv6, NextHop::V6 { .. }) => Ok(Self::Attribute),
            (Family::Ipv4, NextHop::V6 { .. }) if context.extended_next_hop.contains(family) => {
                Ok(Self::Attribute)
            }
            _ => Err(EncodeError::NextHop),
        }
    }
}

/// The announcements of an UPDATE, by where they go.
struct Parts<'a> {
    in_field: Option<&'a Announcement>,
    in_attribute: Option<(Family, &'a Announcement)>,
}

impl<'a> Parts<'a> {
    /// Finds each its place; there is one of each, and both must have the same attributes.
    fn of(update: &'a Update, context: &CodecContext) -> Result<Self, EncodeError> {
        let mut parts = Self { in_field: None, in_attribute: None };
        for part in &update.announced {
            let Some(first) = part.nlri.first() else {
                continue;
            };
            let family = Family::of(&first.prefix);
            let taken = match Place::of(family, part.attributes.next_hop, context)? {
                Place::Field => parts.in_field.replace(part).is_some(),
                Place::Attribute => parts.in_attribute.replace((family, part)).is_some(),
            };
            if taken || part.nlri.iter().any(|nlri| Family::of(&nlri.prefix) != family) {
                return Err(EncodeError::Mixed);
            }
        }
        let routes = !update.withdrawn.is_empty() || parts.attributes().is_some();
        match (routes, update.end_of_rib) {
            (false, None) => Err(EncodeError::Empty),
            (true, Some(_)) => Err(EncodeError::Mixed),
            _ if !parts.agree() => Err(EncodeError::Mixed),
            _ => Ok(parts),
        }
    }

    fn attributes(&self) -> Option<&'a PathAttributes> {
        self.in_field.or(self.in_attribute.map(|(_, part)| part)).map(|part| &part.attributes)
    }

    fn agree(&self) -> bool {
        match (self.in_field, self.in_attribute) {
            (Some(field), Some((_, attribute))) => {
                let next_hop = field.attributes.next_hop;
                PathAttributes { next_hop, ..attribute.attributes.clone() } == field.attributes
            }
            _ => true,
        }
    }
}
