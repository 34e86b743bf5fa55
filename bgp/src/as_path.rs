//! The AS path.

use std::fmt;
use std::str::FromStr;

use smallvec::SmallVec;
use thiserror::Error;

use crate::Asn;

/// What a segment of a path says about its members (RFC 4271 §4.3).
///
/// Confederation segments (RFC 5065) have no place in a path from outside a confederation, and we are in
/// none; the wire treats them as malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SegmentKind {
    /// Unordered: the route came through some of these.
    Set,
    /// Ordered: the route came through all of these, the nearest first.
    Sequence,
}

/// A run of AS numbers of one kind; never empty, never more than 255 on the wire.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Segment {
    /// Whether order means anything.
    pub kind: SegmentKind,
    /// The members.
    pub asns: Vec<Asn>,
}

/// The ASes a route came through, the nearest first (RFC 4271 §5.1.2).
///
/// Almost every path is one sequence, which is kept in place.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AsPath(SmallVec<[Segment; 1]>);

impl AsPath {
    /// The most members a segment may have: its count is one octet.
    pub const MAX_SEGMENT: usize = 255;

    /// The path of a route that has not left its AS.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Makes a path of one sequence.
    #[must_use]
    pub fn sequence(asns: impl IntoIterator<Item = Asn>) -> Self {
        Self::from_iter([Segment { kind: SegmentKind::Sequence, asns: asns.into_iter().collect() }])
    }

    /// Returns the segments, the nearest first.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Tells whether the route has not left its AS.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the length the decision process compares: a set counts one (RFC 4271 §9.1.2.2 a).
    #[must_use]
    pub fn length(&self) -> usize {
        let length = |segment: &Segment| match segment.kind {
            SegmentKind::Set => 1,
            SegmentKind::Sequence => segment.asns.len(),
        };
        self.0.iter().map(length).sum()
    }

    /// Returns the AS the route was heard from, if the path begins with a sequence (RFC 4271 §9.1.2.2 c).
    #[must_use]
    pub fn neighbor(&self) -> Option<Asn> {
        let first = self.0.first()?;
        (first.kind == SegmentKind::Sequence).then_some(())?;
        first.asns.first().copied()
    }

    /// Returns the AS that originated the route, if the path ends with a sequence.
    #[must_use]
    pub fn origin(&self) -> Option<Asn> {
        let last = self.0.last()?;
        (last.kind == SegmentKind::Sequence).then_some(())?;
        last.asns.last().copied()
    }

    /// Tells whether the path begins with these ASes in this order, in sequences alone: what comes behind a set is not
    /// known to come at any place.
    #[must_use]
    pub fn starts_with(&self, asns: &[Asn]) -> bool {
        let ordered = self.0.iter().take_while(|segment| segment.kind == SegmentKind::Sequence);
        let mut first = ordered.flat_map(|segment| segment.asns.iter());
        asns.iter().all(|asn| first.next() == Some(asn))
    }

    /// Counts how often an AS occurs, in sequences and sets alike (loop detection, RFC 4271 §9.1.2).
    #[must_use]
    pub fn count(&self, asn: Asn) -> usize {
        self.iter().filter(|&member| member == asn).count()
    }

    /// Tells whether an AS occurs anywhere in the path.
    #[must_use]
    pub fn contains(&self, asn: Asn) -> bool {
        self.iter().any(|member| member == asn)
    }

    /// Walks every member of every segment.
    pub fn iter(&self) -> impl Iterator<Item = Asn> {
        self.0.iter().flat_map(|segment| segment.asns.iter().copied())
    }

    /// Puts an AS in front, `times` over (RFC 4271 §5.1.2 b). A segment that is full gets a new one before it.
    pub fn prepend(&mut self, asn: Asn, times: usize) {
        let mut left = times;
        if let Some(first) = self.0.first_mut()
            && first.kind == SegmentKind::Sequence
        {
            let room = Self::MAX_SEGMENT.saturating_sub(first.asns.len()).min(left);
            first.asns.splice(..0, std::iter::repeat_n(asn, room));
            left -= room;
        }
        while left > 0 {
            let count = left.min(Self::MAX_SEGMENT);
            self.0.insert(0, Segment { kind: SegmentKind::Sequence, asns: vec![asn; count] });
            left -= count;
        }
    }
}

impl FromIterator<Segment> for AsPath {
    /// Makes a path of segments; empty ones are dropped.
    fn from_iter<T: IntoIterator<Item = Segment>>(segments: T) -> Self {
        Self(segments.into_iter().filter(|segment| !segment.asns.is_empty()).collect())
    }
}

impl fmt::Display for AsPath {
    /// Renders `65001 65002 {65003,65004}`, as operators write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            let (open, separator, close) = match segment.kind {
                SegmentKind::Set => ("{", ",", "}"),
                SegmentKind::Sequence => ("", " ", ""),
            };
            f.write_str(open)?;
            for (index, asn) in segment.asns.iter().enumerate() {
                if index > 0 {
                    f.write_str(separator)?;
                }
                asn.fmt(f)?;
            }
            f.write_str(close)?;
        }
        Ok(())
    }
}

/// Says that a text is no AS path and what one looks like.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "'{0}' is not an AS path: write AS numbers with spaces between, a set in braces: 65001 65002 {{65003,65004}}"
)]
pub struct ParseAsPathError(String);

impl FromStr for AsPath {
    type Err = ParseAsPathError;

    /// Reads what [`AsPath`] is displayed as.
    fn from_str(text: &str) -> Result<Self, ParseAsPathError> {
        let wrong = |_| ParseAsPathError(text.to_owned());
        let mut segments: Vec<Segment> = Vec::new();
        for word in text.split_whitespace() {
            if let Some(members) = word.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                let asns =
                    members.split(',').map(str::parse).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
                if asns.len() > Self::MAX_SEGMENT {
                    return Err(ParseAsPathError(text.to_owned()));
                }
                segments.push(Segment { kind: SegmentKind::Set, asns });
                continue;
            }
            let asn = word.parse().map_err(wrong)?;
            match segments.last_mut() {
                Some(last) if last.kind == SegmentKind::Sequence && last.asns.len() < Self::MAX_SEGMENT => {
                    last.asns.push(asn);
                }
                _ => segments.push(Segment { kind: SegmentKind::Sequence, asns: vec![asn] }),
            }
        }
        Ok(segments.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(asns: &[u32]) -> Segment {
        Segment { kind: SegmentKind::Set, asns: asns.iter().copied().map(Asn).collect() }
    }

    #[test]
    fn a_set_counts_one() {
        let mut path = AsPath::from_iter([set(&[3, 4])]);
        path.prepend(Asn(2), 1);
        assert_eq!(path.length(), 2);
        assert_eq!(path.to_string(), "2 {3,4}");
        assert_eq!(path.neighbor(), Some(Asn(2)));
        assert_eq!(path.origin(), None);
    }

    #[test]
    fn prepending_opens_a_new_segment_when_the_first_is_full() {
        let mut path = AsPath::sequence((0..250).map(Asn));
        path.prepend(Asn(7), 10);
        let lengths: Vec<_> = path.segments().iter().map(|segment| segment.asns.len()).collect();
        assert_eq!(lengths, [5, 255]);
        assert_eq!(path.count(Asn(7)), 11);
    }

    #[test]
    fn prepending_to_a_set_or_to_nothing_starts_a_sequence() {
        let mut empty = AsPath::empty();
        empty.prepend(Asn(1), 0);
        assert!(empty.is_empty());
        empty.prepend(Asn(1), 2);
        assert_eq!(empty.to_string(), "1 1");
    }

    #[test]
    fn a_path_reads_back_as_written() {
        for text in ["", "65001", "65001 65002 {65003,65004} 7", "{1}"] {
            assert_eq!(text.parse::<AsPath>().unwrap().to_string(), text);
        }
        let long = vec!["7"; 300].join(" ").parse::<AsPath>().unwrap();
        assert_eq!((long.length(), long.segments().len()), (300, 2));
        for text in ["x", "1,2", "{}", "{1", "{1, 2}", "4294967296"] {
            assert!(text.parse::<AsPath>().is_err(), "{text}");
        }
    }
}
