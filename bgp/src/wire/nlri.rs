//! Prefixes (RFC 4271 §4.3): a length in bits, then as many octets as it takes.
//!
//! What is in the host bits is of no consequence and is cleared. Full tables pass through here, so this is
//! counted by hand rather than combined of parsers.

use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::{BufMut, BytesMut};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::wire::WireError;
use crate::{Family, Nlri};

/// Reads prefixes until no octets are left.
pub(super) fn decode(family: Family, mut octets: &[u8]) -> Result<Vec<Nlri>, WireError> {
    let usual = match family {
        Family::Ipv4 => 4,
        Family::Ipv6 => 7,
    };
    let mut prefixes = Vec::with_capacity(octets.len().div_ceil(usual));
    while let Some((&bits, rest)) = octets.split_first() {
        if bits > family.bits() {
            return Err(WireError::PrefixLength(bits));
        }
        let (address, rest) =
            rest.split_at_checked(bits.div_ceil(8).into()).ok_or(WireError::PrefixTruncated)?;
        let prefix = match family {
            Family::Ipv4 => ipv4(address, bits),
            Family::Ipv6 => ipv6(address, bits),
        };
        prefixes.push(Nlri { prefix: prefix.ok_or(WireError::PrefixLength(bits))?, path_id: 0 });
        octets = rest;
    }
    Ok(prefixes)
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
pub(super) fn size(nlri: &Nlri) -> usize {
    1 + usize::from(nlri.prefix.prefix_len().div_ceil(8))
}

/// Writes a prefix.
pub(super) fn encode(nlri: &Nlri, out: &mut BytesMut) {
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
        decode(family, octets).unwrap().iter().map(|nlri| nlri.prefix.to_string()).collect()
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
        assert_eq!(decode(Family::Ipv4, &[33, 1, 2, 3, 4, 5]), Err(WireError::PrefixLength(33)));
        assert_eq!(decode(Family::Ipv6, &[129]), Err(WireError::PrefixLength(129)));
    }

    #[test]
    fn a_prefix_that_runs_over_is_refused() {
        assert_eq!(decode(Family::Ipv4, &[24, 10, 0]), Err(WireError::PrefixTruncated));
        assert_eq!(decode(Family::Ipv6, &[128, 1]), Err(WireError::PrefixTruncated));
    }

    #[test]
    fn every_length_is_written_in_the_octets_it_takes() {
        for (family, address) in [(Family::Ipv4, "255.255.255.255"), (Family::Ipv6, "ffff:ffff:ffff:ffff::1")]
        {
            for bits in 0..=family.bits() {
                let nlri = Nlri::from(IpNet::new(address.parse().unwrap(), bits).unwrap());
                let mut out = BytesMut::new();
                encode(&nlri, &mut out);
                assert_eq!(out.len(), size(&nlri));
                assert_eq!(decode(family, &out), Ok(vec![nlri]));
            }
        }
    }
}
