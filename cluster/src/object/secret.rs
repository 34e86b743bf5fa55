//! `v1 Secret`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Meta;

/// A Secret, of which single keys are used as passwords.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Secret {
    /// Its name.
    pub metadata: Meta,
    /// What it holds, each in base64.
    pub data: BTreeMap<String, String>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.metadata.key)
    }
}

impl Secret {
    /// Reads the password under a key. The end of a line at its end is not part of it, as in a file.
    ///
    /// # Errors
    /// What is wrong with it, without a word of it.
    pub fn password(&self, key: &str) -> Result<intent::Secret, String> {
        let Some(text) = self.data.get(key) else { return Err(format!("it has no key {key:?}")) };
        let octets = base64(text).ok_or_else(|| format!("its key {key:?} is not base64"))?;
        let line = octets.strip_suffix(b"\n").unwrap_or(&octets);
        let octets = line.strip_suffix(b"\r").unwrap_or(line);
        intent::Secret::new(octets).ok_or_else(|| {
            let most = intent::Secret::MAX;
            format!("its key {key:?} has {} octets; a password has 1 to {most}", octets.len())
        })
    }
}

/// Reads base64 (RFC 4648 §4) with its padding, as the API has it. `None` if it is none.
fn base64(text: &str) -> Option<Vec<u8>> {
    let sextet = |octet: u8| match octet {
        b'A'..=b'Z' => Some(octet - b'A'),
        b'a'..=b'z' => Some(octet - b'a' + 26),
        b'0'..=b'9' => Some(octet - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (groups, rest) = text.as_bytes().as_chunks::<4>();
    let mut octets = Vec::with_capacity(groups.len() * 3);
    for (index, group) in groups.iter().enumerate() {
        let is_last = index + 1 == groups.len();
        let (digits, count) = match group {
            [a, b, b'=', b'='] if is_last => ([*a, *b, b'A', b'A'], 1),
            [a, b, c, b'='] if is_last => ([*a, *b, *c, b'A'], 2),
            group => (*group, 3),
        };
        let mut bits = 0_u32;
        for digit in digits {
            bits = bits << 6 | u32::from(sextet(digit)?);
        }
        let [_, all @ ..] = bits.to_be_bytes();
        octets.extend(all.iter().take(count));
    }
    rest.is_empty().then_some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_with_its_padding_and_nothing_else() {
        for (text, octets) in [
            ("", &b""[..]),
            ("Zg==", b"f"),
            ("Zm8=", b"fo"),
            ("Zm9v", b"foo"),
            ("Zm9vYg==", b"foob"),
            ("+/+/", b"\xfb\xff\xbf"),
        ] {
            assert_eq!(base64(text).as_deref(), Some(octets), "{text}");
        }
        for text in ["Z", "Zg", "Zg=", "Zg==Zg==", "Zm9v\n", "Zm=v", "====", "Zm9_"] {
            assert_eq!(base64(text), None, "{text}");
        }
    }

    #[test]
    fn a_password_that_cannot_be_used_is_named_and_not_shown() {
        let read = |data: &str| {
            let json = format!(r#"{{"metadata":{{"name":"s"}},"data":{data}}}"#);
            serde_json::from_str::<Secret>(&json).unwrap().password("p")
        };
        assert_eq!(read(r#"{"p":"Zm9v"}"#).unwrap().reveal(), b"foo");
        assert_eq!(read(r#"{"p":"Zm9vDQo="}"#).unwrap().reveal(), b"foo", "foo and the end of the line");
        assert_eq!(read(r#"{"q":"Zm9v"}"#).unwrap_err(), "it has no key \"p\"");
        assert_eq!(read(r#"{"p":"hunter2!"}"#).unwrap_err(), "its key \"p\" is not base64");
        assert_eq!(read(r#"{"p":""}"#).unwrap_err(), "its key \"p\" has 0 octets; a password has 1 to 80");
    }
}
