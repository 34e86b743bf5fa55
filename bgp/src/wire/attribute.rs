//! Path attributes: the one table of them.
//!
//! A row says all there is to say about a type code: what it is called, which flags it has, who may send it,
//! what is done when it is malformed (RFC 7606 §7), and how it is read and written. The reader below it
//! knows no attribute by name.

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::bytes::complete::take;
use nom::number::complete::{be_u8, be_u16};

use crate::Community;
use crate::as_path::AsPath;
use crate::attributes::{Aggregator, NextHop, Origin, PathAttributes, RareAttributes};
use crate::notification::UpdateError;
use crate::wire::read::Parsed;
use crate::wire::write::{insert_u8, patch_u8, patch_u16};
use crate::wire::{CodecContext, DecodeError, Disposition, Offence, WireError};

mod aggregator;
mod aigp;
pub(super) mod as_path;
mod atomic_aggregate;
mod cluster_list;
mod communities;
mod extended_communities;
mod large_communities;
mod local_pref;
mod med;
pub(super) mod mp_reach;
pub(super) mod mp_unreach;
mod next_hop;
mod only_to_customer;
mod origin;
mod originator_id;
mod unknown;

#[cfg(test)]
mod tests;

const OPTIONAL: u8 = 0x80;
const TRANSITIVE: u8 = 0x40;
const PARTIAL: u8 = 0x20;
const EXTENDED_LENGTH: u8 = 0x10;
const WELL_KNOWN: u8 = TRANSITIVE;
const OPTIONAL_TRANSITIVE: u8 = OPTIONAL | TRANSITIVE;

pub(super) const ORIGIN: u8 = 1;
pub(super) const AS_PATH: u8 = 2;
pub(super) const NEXT_HOP: u8 = 3;
pub(super) const MP_REACH: u8 = 14;
pub(super) const MP_UNREACH: u8 = 15;
const AIGP: u8 = 26;

/// Reads a value.
type Decode = fn(&[u8], &CodecContext, &mut Received) -> Result<(), WireError>;
/// Writes the value; `None` if the route has none.
type Encode = fn(&PathAttributes, &CodecContext, &mut BytesMut) -> Option<()>;

/// All that is known of an attribute type.
struct Row {
    code: u8,
    name: &'static str,
    /// The Optional and Transitive bits.
    flags: u8,
    senders: Senders,
    malformed: Disposition,
    decode: Decode,
    /// Absent where the routes themselves are the value: the message writes those.
    encode: Option<Encode>,
}

impl Row {
    /// Says what wrong flags cost. RFC 7606 §3 c makes them a withdrawal even where a malformed value is only
    /// discarded, unless the attribute's own document asks for something else (RFC 7311 §3.2).
    fn wrong_flags(&self) -> Disposition {
        if self.code == AIGP { self.malformed } else { self.malformed.max(TreatAsWithdraw) }
    }

    /// Tells whether the Partial bit goes on with the attribute. With the AS4 attributes it does not: they are
    /// merged into others and made anew.
    fn keeps_partial(&self) -> bool {
        self.flags == OPTIONAL_TRANSITIVE && self.senders == All
    }
}

/// Who may send an attribute; from others it is discarded, malformed or not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Senders {
    All,
    /// Peers in our AS (RFC 7606 §7.5, §7.9, §7.10).
    Internal,
    /// Speakers of 2-octet AS numbers (RFC 6793 §6).
    TwoOctet,
}

use Disposition::{DiscardAttribute, Reset, TreatAsWithdraw};
use Senders::{All, Internal, TwoOctet};

macro_rules! table {
    ($($code:literal $name:literal $flags:ident $senders:ident $malformed:ident $decode:path, $encode:expr;)*) => {
        &[$(Row {
            code: $code,
            name: $name,
            flags: $flags,
            senders: $senders,
            malformed: $malformed,
            decode: $decode,
            encode: $encode,
        },)*]
    };
}

/// <https://www.iana.org/assignments/bgp-parameters>, in the order attributes are written.
#[rustfmt::skip]
const TABLE: &[Row] = table! {
    1  "ORIGIN"               WELL_KNOWN          All      TreatAsWithdraw  origin::decode,               Some(origin::encode);
    2  "AS_PATH"              WELL_KNOWN          All      TreatAsWithdraw  as_path::decode,              Some(as_path::encode);
    3  "NEXT_HOP"             WELL_KNOWN          All      TreatAsWithdraw  next_hop::decode,             Some(next_hop::encode);
    4  "MULTI_EXIT_DISC"      OPTIONAL            All      TreatAsWithdraw  med::decode,                  Some(med::encode);
    5  "LOCAL_PREF"           WELL_KNOWN          Internal TreatAsWithdraw  local_pref::decode,           Some(local_pref::encode);
    6  "ATOMIC_AGGREGATE"     WELL_KNOWN          All      DiscardAttribute atomic_aggregate::decode,     Some(atomic_aggregate::encode);
    7  "AGGREGATOR"           OPTIONAL_TRANSITIVE All      DiscardAttribute aggregator::decode,           Some(aggregator::encode);
    8  "COMMUNITIES"          OPTIONAL_TRANSITIVE All      TreatAsWithdraw  communities::decode,          Some(communities::encode);
    9  "ORIGINATOR_ID"        OPTIONAL            Internal TreatAsWithdraw  originator_id::decode,        Some(originator_id::encode);
    10 "CLUSTER_LIST"         OPTIONAL            Internal TreatAsWithdraw  cluster_list::decode,         Some(cluster_list::encode);
    14 "MP_REACH_NLRI"        OPTIONAL            All      Reset            mp_reach::decode,             None;
    15 "MP_UNREACH_NLRI"      OPTIONAL            All      Reset            mp_unreach::decode,           None;
    16 "EXTENDED COMMUNITIES" OPTIONAL_TRANSITIVE All      TreatAsWithdraw  extended_communities::decode, Some(extended_communities::encode);
    17 "AS4_PATH"             OPTIONAL_TRANSITIVE TwoOctet DiscardAttribute as_path::decode_as4,          Some(as_path::encode_as4);
    18 "AS4_AGGREGATOR"       OPTIONAL_TRANSITIVE TwoOctet DiscardAttribute aggregator::decode_as4,       Some(aggregator::encode_as4);
    26 "AIGP"                 OPTIONAL            All      DiscardAttribute aigp::decode,                 Some(aigp::encode);
    32 "LARGE_COMMUNITY"      OPTIONAL_TRANSITIVE All      TreatAsWithdraw  large_communities::decode,    Some(large_communities::encode);
    35 "ONLY_TO_CUSTOMER"     OPTIONAL_TRANSITIVE All      TreatAsWithdraw  only_to_customer::decode,     Some(only_to_customer::encode);
};

/// What the attributes of one UPDATE said.
#[derive(Default)]
pub(super) struct Received {
    pub(super) origin: Option<Origin>,
    pub(super) as_path: Option<AsPath>,
    pub(super) next_hop: Option<NextHop>,
    pub(super) mp_reach: Option<mp_reach::MpReach>,
    pub(super) mp_unreach: Option<mp_unreach::MpUnreach>,
    /// The types that came, well-formed or not.
    pub(super) seen: Seen,
    med: Option<u32>,
    local_pref: Option<u32>,
    atomic_aggregate: bool,
    communities: Vec<Community>,
    rare: RareAttributes,
    as4_path: Option<AsPath>,
    as4_aggregator: Option<Aggregator>,
}

/// A set of attribute types.
#[derive(Default)]
pub(super) struct Seen([u128; 2]);

impl Seen {
    /// Adds a type; tells whether it is new.
    fn insert(&mut self, code: u8) -> bool {
        let [low, high] = &mut self.0;
        let half = if code < 128 { low } else { high };
        let bit = 1_u128 << (code % 128);
        let new = *half & bit == 0;
        *half |= bit;
        new
    }

    pub(super) fn contains(&self, code: u8) -> bool {
        let [low, high] = self.0;
        let half = if code < 128 { low } else { high };
        half & 1_u128 << (code % 128) != 0
    }

    /// Tells whether nothing but MP_UNREACH_NLRI is in the set.
    pub(super) fn only_mp_unreach(&self) -> bool {
        self.0 == [0, 0] || self.0 == [1 << MP_UNREACH, 0]
    }
}

impl Received {
    /// Makes the attributes of the routes with this next hop; `None` if a mandatory one is not there.
    pub(super) fn to_attributes(&self, next_hop: NextHop) -> Option<PathAttributes> {
        Some(PathAttributes {
            origin: self.origin?,
            as_path: self.as_path.clone()?,
            next_hop,
            med: self.med,
            local_pref: self.local_pref,
            atomic_aggregate: self.atomic_aggregate,
            communities: self.communities.clone(),
            rare: self.rare.clone().into(),
        })
    }

    /// Puts together what a speaker of 2-octet AS numbers had to say in two attributes (RFC 6793 §4.2.3).
    ///
    /// An AGGREGATOR that is not AS_TRANS beside AS4_AGGREGATOR was changed by somebody who knows nothing
    /// of either AS4 attribute: both are out of date.
    fn merge_as4(&mut self) {
        if let (Some(aggregator), Some(as4)) = (self.rare.aggregator, self.as4_aggregator) {
            if aggregator.asn != crate::Asn::TRANS {
                return;
            }
            self.rare.aggregator = Some(as4);
        }
        if let (Some(path), Some(as4)) = (&mut self.as_path, &self.as4_path) {
            *path = as_path::merge(path, as4);
        }
    }
}

/// One attribute as it came.
struct Raw<'a> {
    flags: u8,
    code: u8,
    value: &'a [u8],
}

fn raw(octets: &[u8]) -> Parsed<'_, Raw<'_>> {
    let (rest, (flags, code)) = (be_u8, be_u8).parse(octets)?;
    let (rest, length) = match flags & EXTENDED_LENGTH {
        0 => be_u8.map(usize::from).parse(rest)?,
        _ => be_u16.map(usize::from).parse(rest)?,
    };
    let (rest, value) = take(length).parse(rest)?;
    Ok((rest, Raw { flags, code, value }))
}

/// Reads all attributes of an UPDATE, noting what was wrong with them.
///
/// # Errors
///
/// The first thing wrong that must end the session.
pub(super) fn decode(
    mut octets: &[u8],
    context: &CodecContext,
    offences: &mut Vec<Offence>,
) -> Result<Received, DecodeError> {
    let mut received = Received::default();
    let mut repeated = Seen::default();
    while !octets.is_empty() {
        let Ok((rest, attribute)) = raw(octets) else {
            received.seen.insert(octets.get(1).copied().unwrap_or_default());
            offences.push(overrun(octets)?);
            break;
        };
        let code = attribute.code;
        let verdict = if received.seen.insert(code) {
            read(&attribute, context, &mut received)
        } else {
            Err((WireError::Duplicate, duplicate(code)))
        };
        match verdict {
            Ok(()) => (),
            Err((error, Reset)) => {
                let length = octets.len() - rest.len();
                return Err(reset(code, error, octets.get(..length).unwrap_or_default()));
            }
            // A type repeated a thousand times is one offence, not a thousand.
            Err((WireError::Duplicate, _)) if !repeated.insert(code) => (),
            Err((error, disposition)) => offences.push(Offence { attribute: code, error, disposition }),
        }
        octets = rest;
    }
    received.rare.unknown.sort_unstable_by_key(|attribute| attribute.code);
    received.rare.partial.sort_unstable();
    received.merge_as4();
    Ok(received)
}

fn read(
    attribute: &Raw<'_>,
    context: &CodecContext,
    received: &mut Received,
) -> Result<(), (WireError, Disposition)> {
    let Some(row) = row(attribute.code) else {
        return unknown::decode(attribute, received).map_err(|error| (error, Reset));
    };
    match row.senders {
        Internal if !context.internal => return Err((WireError::NotFromExternal, DiscardAttribute)),
        TwoOctet if context.four_octet_asn => return Err((WireError::NotFromFourOctet, DiscardAttribute)),
        _ => (),
    }
    let got = attribute.flags & OPTIONAL_TRANSITIVE;
    if got != row.flags {
        return Err((WireError::Flags { got, want: row.flags }, row.wrong_flags()));
    }
    (row.decode)(attribute.value, context, received).map_err(|error| match error {
        WireError::FamilyNotNegotiated(_) => (error, DiscardAttribute),
        _ => (error, row.malformed),
    })?;
    if row.keeps_partial() && attribute.flags & PARTIAL != 0 {
        received.rare.partial.push(attribute.code);
    }
    Ok(())
}

/// Judges an attribute that reaches beyond the others (RFC 7606 §4). If it is one that carries routes, they
/// cannot be found (§3 j).
fn overrun(octets: &[u8]) -> Result<Offence, DecodeError> {
    let attribute = octets.get(1).copied().unwrap_or_default();
    match attribute {
        MP_REACH | MP_UNREACH => Err(reset(attribute, WireError::Overrun, octets)),
        _ => Ok(Offence { attribute, error: WireError::Overrun, disposition: TreatAsWithdraw }),
    }
}

/// Judges a second attribute of one type (RFC 7606 §3 g).
fn duplicate(code: u8) -> Disposition {
    match code {
        MP_REACH | MP_UNREACH => Reset,
        _ => DiscardAttribute,
    }
}

/// Makes the error that ends the session; `octets` are the attribute as it came.
pub(super) fn reset(attribute: u8, error: WireError, octets: &[u8]) -> DecodeError {
    let (subcode, shown) = match error {
        WireError::UnrecognizedWellKnown => (UpdateError::UnrecognizedWellKnownAttribute, octets),
        WireError::Flags { .. } => (UpdateError::AttributeFlags, octets),
        WireError::PrefixLength(_) | WireError::PrefixTruncated => {
            (UpdateError::InvalidNetworkField, &[][..])
        }
        WireError::Duplicate | WireError::Overrun | WireError::RoutesNotFound => {
            (UpdateError::MalformedAttributeList, &[][..])
        }
        _ if attribute == 0 => (UpdateError::MalformedAttributeList, &[][..]),
        _ => (UpdateError::OptionalAttribute, octets),
    };
    DecodeError::Update { attribute, error, subcode, data: Bytes::copy_from_slice(shown) }
}

/// Writes the attributes a route has but for those that carry the routes themselves.
pub(super) fn encode(attributes: &PathAttributes, context: &CodecContext, out: &mut BytesMut) {
    for row in TABLE {
        if let Some(encode) = row.encode {
            let partial = if attributes.rare.partial.contains(&row.code) { PARTIAL } else { 0 };
            put(row.flags | partial, row.code, out, |out| encode(attributes, context, out));
        }
    }
    for attribute in &attributes.rare.unknown {
        // The Partial bit tells that somebody on the way, now we, did not understand it (RFC 4271 §5).
        put(OPTIONAL_TRANSITIVE | PARTIAL, attribute.code, out, |out| {
            out.put_slice(&attribute.value);
            Some(())
        });
    }
}

/// Writes one attribute, with a 2-octet length only if it must be; nothing if there is no value.
fn put(flags: u8, code: u8, out: &mut BytesMut, value: impl FnOnce(&mut BytesMut) -> Option<()>) {
    let start = out.len();
    out.put_slice(&[flags, code, 0]);
    if value(out).is_none() {
        out.truncate(start);
        return;
    }
    let length = out.len() - start - 3;
    match u8::try_from(length) {
        Ok(length) => patch_u8(out, start + 2, length),
        Err(_) => {
            insert_u8(out, start + 2, 0);
            patch_u8(out, start, flags | EXTENDED_LENGTH);
            patch_u16(out, start + 2, length);
        }
    }
}

/// Names an attribute as its RFC does.
pub(super) fn name(code: u8) -> &'static str {
    match code {
        0 => "fields",
        _ => row(code).map_or("unknown attribute", |row| row.name),
    }
}

fn row(code: u8) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.code == code)
}

/// Tells whether octets are one or more values of a size.
fn check_multiple(field: &'static str, octets: &[u8], size: usize) -> Result<(), WireError> {
    match octets.len() {
        0 => Err(WireError::Length { field, got: 0 }),
        length if !length.is_multiple_of(size) => Err(WireError::Length { field, got: length }),
        _ => Ok(()),
    }
}

/// Puts values in order, each once.
fn sorted<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort_unstable();
    values.dedup();
    values
}
