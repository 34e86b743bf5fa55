//! Wildcards for the names of interfaces: `cali*`.

use std::fmt;
use std::str::FromStr;

use super::NoPattern;

/// Names that have a shape: `*` stands for any characters, `?` for any one; all others stand for themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Box<str>);

impl Glob {
    /// Tells whether a name has the shape. What it costs is bounded by the product of the lengths.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let (shape, name) = (self.0.as_bytes(), name.as_bytes());
        let (mut at, mut place) = (0, 0);
        // The last star, and how much of the name it stands for.
        let mut star: Option<(usize, usize)> = None;
        while place < name.len() {
            match shape.get(at) {
                Some(b'*') => {
                    star = Some((at, place));
                    at += 1;
                }
                Some(&octet) if octet == b'?' || octet == name[place] => {
                    at += 1;
                    place += 1;
                }
                Some(_) | None => {
                    let Some((of, until)) = star else { return false };
                    star = Some((of, until + 1));
                    (at, place) = (of + 1, until + 1);
                }
            }
        }
        shape[at..].iter().all(|&octet| octet == b'*')
    }
}

impl FromStr for Glob {
    type Err = NoPattern;

    /// Reads a shape; none is empty.
    fn from_str(text: &str) -> Result<Self, NoPattern> {
        if text.is_empty() { Err(NoPattern) } else { Ok(Self(text.into())) }
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_matched_from_end_to_end() {
        for (shape, yes, no) in [
            ("eth0", "eth0", "eth01"),
            ("cali*", "cali1a2b", "xcali"),
            ("*.cali", "wg.cali", "wg.calix"),
            ("eth?", "eth1", "eth"),
            ("*a*b*", "xaxxbab", "bxa"),
            ("*", "lo", ""),
            ("e*0?", "eth00", "eth0"),
        ] {
            let glob: Glob = shape.parse().unwrap();
            assert!(glob.matches(yes), "{shape} {yes}");
            assert_eq!(glob.matches(no), shape == "*", "{shape} {no}");
        }
        assert_eq!("".parse::<Glob>(), Err(NoPattern));
    }
}
