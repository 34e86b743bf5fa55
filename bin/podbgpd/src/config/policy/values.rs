//! How the values of rules and sets are written.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use bgp::attributes::Origin;
use bgp::{AsPath, Asn, Community, ExtendedCommunity, Family, LargeCommunity, NextHop};
use rib::policy::{AsnSet, Edit, Glob, Pattern, PrefixRange, Provenance, Tag};

use super::super::node::{asn, prefix};
use super::super::reader::Value;

/// The most times one AS is put in front of a path.
const MAX_PREPEND: u8 = 32;
/// The longest AS path worth asking for.
const MAX_PATH_LENGTH: u16 = 4096;

pub(super) const FAMILIES: [(&str, Family); 2] = [("ipv4", Family::Ipv4), ("ipv6", Family::Ipv6)];
pub(super) const PROVENANCES: [(&str, Provenance); 4] = [
    ("originated", Provenance::Originated),
    ("learned", Provenance::Learned),
    ("external", Provenance::External),
    ("internal", Provenance::Internal),
];

/// A kind of community as the file writes it.
pub(super) trait Written: Tag {
    const WHAT: &'static str;
    const FORM: &'static str;
    const WILD: &'static str;
}

impl Written for Community {
    const WHAT: &'static str = "a community";
    const FORM: &'static str = "asn:value, each 0 to 65535, or a well-known name such as \"no-export\"";
    const WILD: &'static str =
        "asn:value, each 0 to 65535 or \"*\" for any, or a well-known name such as \"no-export\"";
}

impl Written for ExtendedCommunity {
    const WHAT: &'static str = "an extended community";
    const FORM: &'static str = "\"rt:65000:1\", \"ro:65000:1\", \"link-bandwidth:65000:125000000\" (octets per second), \
                                or \"0x\" and 16 digits";
    const WILD: &'static str = "\"rt:65000:1\", \"rt:65000:*\", the same with \"ro\", \
                                \"link-bandwidth:65000:125000000\" (octets per second), \"0x\" and 16 digits, or \"*\"";
}

impl Written for LargeCommunity {
    const WHAT: &'static str = "a large community";
    const FORM: &'static str = "global:local1:local2, each 0 to 4294967295";
    const WILD: &'static str = "global:local1:local2, each 0 to 4294967295 or \"*\" for any";
}

/// Reads one community.
pub(super) fn tag<T: Written>(value: &Value<'_>) -> Option<T> {
    value.parse(T::WHAT, T::FORM)
}

/// Reads one community or a wildcard.
pub(super) fn pattern<T: Written>(value: &Value<'_>) -> Option<Pattern<T>> {
    value.parse(T::WHAT, T::WILD)
}

/// Reads the shape of interfaces' names.
pub(super) fn glob(value: &Value<'_>) -> Option<Glob> {
    value.parse("the name of an interface", "a name such as \"eth0\", or \"eth*\" and \"eth?\" for several")
}

/// Reads a list of alternatives, of which there must be one.
pub(super) fn any<T>(value: &Value<'_>, read: impl Fn(&Value<'_>) -> Option<T>) -> Option<Vec<T>> {
    let items = value.items()?;
    if items.is_empty() {
        return value.refuse("is empty", "write at least one, or leave the key out");
    }
    Some(items.iter().filter_map(read).collect())
}

/// Reads a prefix by itself, or a table with the block and how long prefixes inside it may be.
pub(super) fn prefix_range(value: &Value<'_>) -> Option<PrefixRange> {
    if !value.is_table() {
        return prefix(value).map(PrefixRange::exactly);
    }
    let mut table = value.table()?;
    let within = table.required("within", "\"10.0.0.0/8\"", prefix);
    let (least, most) = within.map_or((0, 128), |within| (within.prefix_len(), within.max_prefix_len()));
    let ge = table.optional("ge", |value| value.number(least..=most));
    let le = table.optional("le", |value| value.number(ge.unwrap_or(least)..=most));
    table.finish();
    let lengths = match (ge, le) {
        (None, Some(le)) => least..=le,
        (ge, le) => ge.unwrap_or(least)..=le.unwrap_or(most),
    };
    Some(PrefixRange { within: within?, lengths })
}

/// Reads an AS, or a text with the first and the last of several.
pub(super) fn as_range(value: &Value<'_>) -> Option<RangeInclusive<Asn>> {
    if value.is_number() {
        return asn(value).map(|asn| asn..=asn);
    }
    let Some((first, last)) = value.text()?.split_once('-') else {
        return asn(value).map(|asn| asn..=asn);
    };
    match (first.trim().parse::<Asn>(), last.trim().parse::<Asn>()) {
        (Ok(first), Ok(last)) if first <= last => Some(first..=last),
        _ => value.refuse("is no range of AS numbers", "write the first and the last, \"64512-65534\""),
    }
}

/// Reads one AS or range without a list around it.
pub(super) fn single_as(value: &Value<'_>) -> Option<AsnSet> {
    as_range(value).map(|range| [range].into_iter().collect())
}

/// Reads a number, or a table with the least and the greatest.
pub(super) fn bounds(value: &Value<'_>) -> Option<RangeInclusive<u32>> {
    bounds_below(value, u32::MAX)
}

/// Reads the length of an AS path, or a table with the least and the greatest.
pub(super) fn path_length(value: &Value<'_>) -> Option<RangeInclusive<usize>> {
    let bounds = bounds_below(value, MAX_PATH_LENGTH.into())?;
    Some(usize::try_from(*bounds.start()).ok()?..=usize::try_from(*bounds.end()).ok()?)
}

fn bounds_below(value: &Value<'_>, most: u32) -> Option<RangeInclusive<u32>> {
    if !value.is_table() {
        let number = value.number(0..=most)?;
        return Some(number..=number);
    }
    let mut table = value.table()?;
    let ge = table.optional("ge", |value| value.number(0..=most)).unwrap_or(0);
    let le = table.optional("le", |value| value.number(ge..=most)).unwrap_or(most);
    table.finish();
    Some(ge..=le)
}

/// Reads a number that may be missing from a route, or the word that says it is.
pub(super) fn or_none<T>(value: &Value<'_>, read: impl Fn(&Value<'_>) -> Option<T>) -> Option<Option<T>> {
    if value.is_number() || value.is_table() {
        read(value).map(Some)
    } else {
        value.choice(&[("none", ())]).map(|()| None)
    }
}

/// Reads any number of 32 bits.
pub(super) fn number(value: &Value<'_>) -> Option<u32> {
    value.number(0..=u32::MAX)
}

/// Reads what is added to a number of 32 bits.
pub(super) fn difference(value: &Value<'_>) -> Option<i64> {
    value.number(-i64::from(u32::MAX)..=i64::from(u32::MAX))
}

pub(super) fn origin(value: &Value<'_>) -> Option<Origin> {
    value.choice(&Origin::ALL.map(|origin| (origin.name(), origin)))
}

/// Reads the text of an AS path.
pub(super) fn as_path(value: &Value<'_>) -> Option<AsPath> {
    let text = value.text()?;
    AsPath::from_str(text).ok().or_else(|| {
        value.refuse(
            "is not an AS path",
            "write AS numbers with spaces between, a set in braces: \"65001 65002 {65003,65004}\"",
        )
    })
}

pub(super) fn next_hop(value: &Value<'_>) -> Option<NextHop> {
    let address: IpAddr = value.parse("an IP address", "one such as \"10.0.0.1\" or \"fd00::1\"")?;
    if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
        return value.refuse("is no next hop", "write the address of a router");
    }
    Some(address.into())
}

pub(super) fn private_as(value: &Value<'_>) -> Option<Edit> {
    if value.is_number() {
        return asn(value).map(Edit::ReplacePrivateAs);
    }
    match value.text()? {
        "remove" => Some(Edit::RemovePrivateAs),
        text if text.starts_with(|first: char| first.is_ascii_digit()) => {
            asn(value).map(Edit::ReplacePrivateAs)
        }
        _ => value
            .refuse("is neither \"remove\" nor an AS", "write \"remove\", or the AS to put in their place"),
    }
}

pub(super) fn prepend(value: &Value<'_>) -> Option<Edit> {
    let mut table = value.table()?;
    let asn = table.required("asn", "64512", asn);
    let times = table.optional("times", |value| value.number(1..=MAX_PREPEND)).unwrap_or(1);
    table.finish();
    Some(Edit::Prepend(asn?, times))
}
