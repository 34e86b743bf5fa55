//! A list of prefixes in as few octets as they need.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// What is added to the length of an IPv6 prefix, to tell it from one of IPv4.
const IPV6: u8 = 64;
/// The most octets one list may have: about three million prefixes of IPv4.
const MAX_OCTETS: usize = 16 << 20;

/// Prefixes in the order they were added. What is beyond the bound is only counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prefixes {
    count: u32,
    /// For each prefix a length, plus 64 for IPv6, and as many octets of the address as the length needs.
    octets: Vec<u8>,
}

impl Prefixes {
    /// Adds a prefix.
    pub fn push(&mut self, prefix: IpNet) {
        self.count = self.count.saturating_add(1);
        if self.octets.len() >= MAX_OCTETS {
            return;
        }
        let length = prefix.prefix_len();
        let needed = usize::from(length.div_ceil(8));
        match prefix.network() {
            IpAddr::V4(address) => {
                self.octets.push(length);
                self.octets.extend(address.octets().iter().take(needed));
            }
            IpAddr::V6(address) => {
                self.octets.push(length + IPV6);
                self.octets.extend(address.octets().iter().take(needed));
            }
        }
    }

    /// Returns how many were added.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Tells whether none was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Walks the prefixes, as many as there was room for. Octets that are none end the walk.
    pub fn iter(&self) -> impl Iterator<Item = IpNet> + '_ {
        let mut rest = self.octets.as_slice();
        std::iter::from_fn(move || take(&mut rest))
    }

    /// Returns the prefix that begins at an octet, and where the next begins.
    pub(crate) fn at(&self, offset: usize) -> Option<(IpNet, usize)> {
        let mut rest = self.octets.get(offset..)?;
        let prefix = take(&mut rest)?;
        Some((prefix, self.octets.len() - rest.len()))
    }

    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }

    pub(super) fn from_octets(count: u32, octets: &[u8]) -> Self {
        Self { count, octets: octets.to_vec() }
    }
}

impl FromIterator<IpNet> for Prefixes {
    fn from_iter<I: IntoIterator<Item = IpNet>>(prefixes: I) -> Self {
        let mut list = Self::default();
        prefixes.into_iter().for_each(|prefix| list.push(prefix));
        list
    }
}

fn take(rest: &mut &[u8]) -> Option<IpNet> {
    let (&marked, octets) = rest.split_first()?;
    let (length, bits) = if marked < IPV6 { (marked, 32) } else { (marked - IPV6, 128) };
    if length > bits {
        return None;
    }
    let needed = usize::from(length.div_ceil(8));
    let (address, after) = octets.split_at_checked(needed)?;
    let mut whole = [0; 16];
    whole.iter_mut().zip(address).for_each(|(to, from)| *to = *from);
    let [a, b, c, d, ..] = whole;
    let address = match bits {
        32 => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        _ => IpAddr::V6(Ipv6Addr::from(whole)),
    };
    *rest = after;
    IpNet::new(address, length).ok().map(|prefix| prefix.trunc())
}
