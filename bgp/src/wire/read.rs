//! What all readers share.
//!
//! nom's own `all_consuming` and `many0` are not used: the first cannot tell a short value from a long one,
//! the second takes a broken last element for the end of the list. [`whole`] and [`list`] report both.

use std::net::Ipv4Addr;

use nom::bytes::complete::take;
use nom::combinator::map;
use nom::number::complete::be_u32;
use nom::{Err, IResult, Parser};

use crate::wire::WireError;

/// What a reader returns: what is left and what was read.
pub(super) type Parsed<'a, T> = IResult<&'a [u8], T, WireError>;

/// Reads a value that must take all the octets.
pub(super) fn whole<'a, T>(
    mut parser: impl Parser<&'a [u8], Output = T, Error = WireError>,
    octets: &'a [u8],
) -> Result<T, WireError> {
    match parser.parse(octets) {
        Ok(([], value)) => Ok(value),
        Ok((rest, _)) => Err(WireError::TrailingOctets(rest.len())),
        Err(error) => Err(flatten(error)),
    }
}

/// Reads values until no octets are left.
pub(super) fn list<'a, T>(
    mut parser: impl Parser<&'a [u8], Output = T, Error = WireError>,
    mut octets: &'a [u8],
) -> Result<Vec<T>, WireError> {
    let mut values = Vec::new();
    while !octets.is_empty() {
        let (rest, value) = parser.parse(octets).map_err(flatten)?;
        values.push(value);
        octets = rest;
    }
    Ok(values)
}

/// Takes octets of a counted length.
pub(super) fn octets<'a>(
    length: impl Into<usize>,
) -> impl Parser<&'a [u8], Output = &'a [u8], Error = WireError> {
    take(length.into())
}

/// Reads an IPv4 address.
pub(super) fn ipv4(octets: &[u8]) -> Parsed<'_, Ipv4Addr> {
    map(be_u32, Ipv4Addr::from_bits).parse(octets)
}

/// Makes a failure of octets that were read well but mean nothing.
pub(super) fn refuse<T>(error: WireError) -> Parsed<'static, T> {
    Err(Err::Failure(error))
}

/// Takes an error out of nom's wrapping. `Incomplete` cannot come from `complete` readers.
pub(super) fn flatten(error: Err<WireError>) -> WireError {
    match error {
        Err::Error(error) | Err::Failure(error) => error,
        Err::Incomplete(_) => WireError::Truncated,
    }
}
