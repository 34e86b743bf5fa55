//! What the kernel answers to a write.

use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED};

use crate::error::WriteError;

/// The length of `struct nlmsghdr`, and where its flags are.
const HEADER: usize = 16;
const FLAGS: usize = 6;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSGERR_ATTR_MSG: u16 = 1;

/// The answer to the request with this sequence number.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) sequence: u32,
    pub(super) result: Result<(), WriteError>,
}

/// What the header of a message says, and whether it ends what was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) flags: u16,
    pub(super) sequence: u32,
    /// The positive `errno` with which it ends, 0 for success; none if it does not end.
    pub(super) end: Option<i32>,
}

impl Header {
    /// Reads the header of a message.
    pub(super) fn of(message: &[u8]) -> Option<Self> {
        let ends = matches!(read_u16(message, 4)?, NLMSG_DONE | NLMSG_ERROR);
        let code = ends.then(|| read_u32(message, HEADER).map_or(0, u32::cast_signed));
        Some(Self {
            flags: read_u16(message, FLAGS)?,
            sequence: read_u32(message, 8)?,
            end: code.map(|code| code.min(0).wrapping_neg()),
        })
    }
}

/// Reads the answers in one datagram; what is no answer is skipped.
pub(super) fn answers(datagram: &[u8]) -> Vec<Answer> {
    messages(datagram).filter_map(answer).collect()
}

/// Cuts a datagram into messages, header included.
pub(super) fn messages(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = read_u32(rest, 0)? as usize;
        let message = rest.get(..length).filter(|message| message.len() >= HEADER)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

/// Marks a request so that the kernel answers it even if it succeeds.
pub(super) fn ask_for_answer(request: &mut [u8]) {
    if let Some(flags) = request.get_mut(FLAGS..FLAGS + 2) {
        let asked = u16::from_ne_bytes([flags[0], flags[1]]) | NLM_F_ACK;
        flags.copy_from_slice(&asked.to_ne_bytes());
    }
}

fn answer(message: &[u8]) -> Option<Answer> {
    if read_u16(message, 4)? != NLMSG_ERROR {
        return None;
    }
    let flags = read_u16(message, FLAGS)?;
    let errno = read_u32(message, HEADER)?.cast_signed().wrapping_neg();
    if errno == 0 {
        return Some(Answer { sequence: read_u32(message, 8)?, result: Ok(()) });
    }
    // The request follows, whole or only its header, and then the kernel's own words.
    let request = if flags & NLM_F_CAPPED != 0 { HEADER } else { read_u32(message, HEADER + 4)? as usize };
    let attributes = message.get(HEADER + 4 + request.next_multiple_of(4)..).unwrap_or_default();
    let text = if flags & NLM_F_ACK_TLVS != 0 { text(attributes) } else { String::new() };
    Some(Answer { sequence: read_u32(message, 8)?, result: Err(WriteError { errno, text }) })
}

fn text(mut attributes: &[u8]) -> String {
    while let (Some(length), Some(kind)) = (read_u16(attributes, 0), read_u16(attributes, 2)) {
        let Some(value) = attributes.get(4..length.into()) else { break };
        if kind == NLMSGERR_ATTR_MSG {
            let value = value.strip_suffix(&[0]).unwrap_or(value);
            return String::from_utf8_lossy(value).into_owned();
        }
        attributes = attributes.get(usize::from(length).next_multiple_of(4)..).unwrap_or_default();
    }
    String::new()
}

fn read_u16(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

fn read_u32(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &[u8]) -> Vec<u8> {
        let mut tail = Vec::new();
        tail.extend((4 + text.len() as u16).to_ne_bytes());
        tail.extend(NLMSGERR_ATTR_MSG.to_ne_bytes());
        tail.extend(text);
        let mut message = Vec::new();
        message.extend((HEADER as u32 + 20 + tail.len() as u32).to_ne_bytes());
        message.extend(NLMSG_ERROR.to_ne_bytes());
        message.extend((NLM_F_CAPPED | NLM_F_ACK_TLVS).to_ne_bytes());
        message.extend(7u32.to_ne_bytes());
        message.extend([0; 4]);
        message.extend((-22i32).to_ne_bytes());
        message.extend([0; 16]);
        message.extend(tail);
        message
    }

    #[test]
    fn a_refusal_carries_the_kernels_words() {
        let error = WriteError { errno: 22, text: "Nexthop has invalid gateway".into() };
        let expected = vec![Answer { sequence: 7, result: Err(error) }];
        assert_eq!(answers(&refusal(b"Nexthop has invalid gateway\0")), expected);
    }

    #[test]
    fn a_cut_answer_is_no_panic() {
        let whole = refusal(b"words\0");
        for end in 0..whole.len() {
            assert_eq!(answers(&whole[..end]), vec![]);
        }
    }

    #[test]
    fn an_attribute_of_length_zero_ends_the_search() {
        assert_eq!(text(&[0; 8]), "");
    }
}
