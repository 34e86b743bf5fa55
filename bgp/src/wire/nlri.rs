//! Prefixes (RFC 4271 §4.3): a length in bits, then as many octets as it takes; in front of it all a path
//! identifier, where that was negotiated (RFC 7911 §3).
//!
//! What is in the host bits is of no consequence and is cleared. Full tables pass through here, so this is
//! counted by hand rather than combined of parsers.

use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::{BufMut, BytesMut};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::wire::WireError;
use crate::{Family, Nlri};

/// How prefixes of a family look in one direction of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The prefix alone.
    Bare,
    /// A path identifier in front.
    WithId,
}

impl Form {
    pub(super) fn with_ids(ids: bool) -> Self {
        if ids { Self::WithId } else { Self::Bare }
    }

    fn id_octets(self) -> usize {
        match self {
            Self::Bare => 0,
            Self::WithId => 4,
        }
    }

    /// Returns how many octets the longest prefix of a family takes.
    pub(super) fn longest(self, family: Family) -> usize {
        self.id_octets() + 1 + usize::from(family.bits() / 8)
    }
}

/// Reads prefixes until no octets are left.
pub(super) fn decode(family: Family, form: Form, mut octets: &[u8]) -> Result<Vec<Nlri>, WireError> {
    let usual = form.id_octets()
        + match family {
            Family::Ipv4 => 4,
            Family::Ipv6 => 7,
        };
    let mut prefixes = Vec::with_capacity(octets.len().div_ceil(usual));
    while !octets.is_empty() {
        let (path_id, rest) = path_id(form, octets)?;
        let (&bits, rest) = rest.split_first().ok_or(WireError::PrefixTruncated)?;
        if bits > family.bits() {
            return Err(WireError::PrefixLength(bits));
        }
        let (address, rest) =
            rest.split_at_checked(bits.div_ceil(8).into()).ok_or(WireError::PrefixTruncated)?;
        let prefix = match family {
            Family::Ipv4 => ipv4(address, bits),
            Family::Ipv6 => ipv6(address, bits),
        };
        prefixes.push(Nlri { prefix: prefix.ok_or(WireError::PrefixLength(bits))?, path_id });
        octets = rest;
    }
    Ok(prefixes)
}

fn path_id(form: Form, octets: &[u8]) -> Result<(u32, &[u8]), WireError> {
    match form {
        Form::Bare => Ok((0, octets)),
        Form::WithId => {
            let (id, rest) = octets.split_first_chunk().ok_or(WireError::PrefixTruncated)?;
            Ok((u32::from_be_bytes(*id), rest))
        }
    }
}

fn ipv4(address: &[u8], bits: u8) -> Option<IpNet> {
    let address = match *address {
        [] => [0; 4],
        [a] => [a, 0, 0, 0],
        [a, b] => [a, b, 0, 0],
        [a, b, c] => [a, b, c, 0],
        [a, b, c, d, ..] => [a, b, c, d],
    };
    Some(Ipv4Net::new(Ipv4Addr::from(address), bits).ok()?.trunc().into())
}

fn ipv6(address: &[u8], bits: u8) -> Option<IpNet> {
    let mut octets = [0; 16];
    octets.iter_mut().zip(address).for_each(|(to, from)| *to = *from);
    Some(Ipv6Net::new(Ipv6Addr::from(octets), bits).ok()?.trunc().into())
}

/// Returns how many octets a prefix takes.
pub(super) fn size(nlri: &Nlri, form: Form) -> usize {
    form.id_octets() + 1 + usize::from(nlri.prefix.prefix_len().div_ceil(8))
}

/// Writes a prefix.
pub(super) fn encode(nlri: &Nlri, form: Form, out: &mut BytesMut) {
    if form == Form::WithId {
        out.put_u32(nlri.path_id);
    }
    let bits = nlri.prefix.prefix_len();
    let octets = usize::from(bits.div_ceil(8));
    out.put_u8(bits);
    match nlri.prefix {
        IpNet::V4(net) => out.put_slice(net.network().octets().get(..octets).unwrap_or_default()),
        IpNet::V6(net) => out.put_slice(net.network().octets().get(..octets).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(family: Family, octets: &[u8]) -> Vec<String> {
        decode(family, Form::Bare, octets).unwrap().iter().map(|nlri| nlri.prefix.to_string()).collect()
    }

    #[test]
    fn host_bits_are_cleared() {
        assert_eq!(
            texts(Family::Ipv4, &[9, 10, 0xFF, 0, 32, 1, 2, 3, 4]),
            ["10.128.0.0/9", "0.0.0.0/0", "1.2.3.4/32"]
        );
        assert_eq!(texts(Family::Ipv6, &[33, 0x20, 1, 0xD, 0xB8, 0xFF, 0]), ["2001:db8:8000::/33", "::/0"]);
    }

    #[test]
    fn a_prefix_longer_than_an_address_is_refused() {
        assert_eq!(decode(Family::Ipv4, Form::Bare, &[33, 1, 2, 3, 4, 5]), Err(WireError::PrefixLength(33)));
        assert_eq!(decode(Family::Ipv6, Form::Bare, &[129]), Err(WireError::PrefixLength(129)));
    }

    #[test]
    fn a_prefix_that_runs_over_is_refused() {
        assert_eq!(decode(Family::Ipv4, Form::Bare, &[24, 10, 0]), Err(WireError::PrefixTruncated));
        assert_eq!(decode(Family::Ipv6, Form::Bare, &[128, 1]), Err(WireError::PrefixTruncated));
    }

    #[test]
    fn a_path_identifier_without_a_prefix_is_refused() {
        for octets in [&[0, 0, 0][..], &[0, 0, 0, 1], &[0, 0, 0, 1, 24, 10, 0], &[0, 0, 0, 1, 0, 0]] {
            assert_eq!(
                decode(Family::Ipv4, Form::WithId, octets),
                Err(WireError::PrefixTruncated),
                "{octets:?}"
            );
        }
    }

    #[test]
    fn every_length_is_written_in_the_octets_it_takes() {
        for (family, address) in [(Family::Ipv4, "255.255.255.255"), (Family::Ipv6, "ffff:ffff:ffff:ffff::1")]
        {
            for bits in 0..=family.bits() {
                let nlri = Nlri::from(IpNet::new(address.parse().unwrap(), bits).unwrap());
                let mut out = BytesMut::new();
                encode(&nlri, Form::Bare, &mut out);
                assert_eq!(out.len(), size(&nlri, Form::Bare));
                assert_eq!(decode(family, Form::Bare, &out), Ok(vec![nlri]));

                let nlri = Nlri { path_id: 0x0102_0304 + u32::from(bits), ..nlri };
                let mut with_id = BytesMut::new();
                encode(&nlri, Form::WithId, &mut with_id);
                assert_eq!(with_id[4..], out);
                assert_eq!(with_id.len(), size(&nlri, Form::WithId));
                assert_eq!(decode(family, Form::WithId, &with_id), Ok(vec![nlri]));
            }
        }
    }
}
