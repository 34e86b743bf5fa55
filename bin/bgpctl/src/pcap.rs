//! Captured messages as a pcap file, for tcpdump and Wireshark.
//!
//! Only the messages are real. The packets around them are made up so that those programs find their way: raw IP, the
//! addresses and ports of the connection, sequence numbers that fit one another as if the capture had begun with it.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use control::{CaptureDirection, CaptureView};

/// Packets begin with their IP header (LINKTYPE_RAW).
const RAW_IP: u32 = 101;
const LONGEST_PACKET: u32 = 65_535;
/// How much of a message goes into one packet: long ones do not fit with their headers.
const SEGMENT: usize = 32 * 1024;
const TCP: u8 = 6;
const TCP_HEADER: usize = 20;

/// A pcap file being written.
pub(crate) struct Pcap<W> {
    out: W,
    /// The next sequence number of each direction: what the peer sent, what we sent.
    sequence: [u32; 2],
}

impl<W: Write> Pcap<W> {
    /// Begins a file.
    pub(crate) fn new(mut out: W) -> io::Result<Self> {
        const MICROSECONDS: u32 = 0xA1B2_C3D4;
        out.write_all(&MICROSECONDS.to_le_bytes())?;
        out.write_all(&2_u16.to_le_bytes())?;
        out.write_all(&4_u16.to_le_bytes())?;
        for field in [0, 0, LONGEST_PACKET, RAW_IP] {
            out.write_all(&field.to_le_bytes())?;
        }
        out.flush()?;
        Ok(Self { out, sequence: [1, 1] })
    }

    /// Adds a message, and has it in the file at once.
    pub(crate) fn add(&mut self, captured: &CaptureView, message: &[u8]) -> io::Result<()> {
        let at = Duration::try_from_secs_f64(captured.at).unwrap_or_default();
        let (from, to, own) = match captured.direction {
            CaptureDirection::Received => (captured.remote, captured.local, 0),
            CaptureDirection::Sent => (captured.local, captured.remote, 1),
        };
        for segment in message.chunks(SEGMENT) {
            let [seq, ack] = [self.sequence[own], self.sequence[1 - own]];
            let packet = packet(from, to, (seq, ack), segment);
            self.sequence[own] = seq.wrapping_add(segment.len() as u32);
            // Seconds wrap in 2106, as the format has it.
            for field in [at.as_secs() as u32, at.subsec_micros(), packet.len() as u32, packet.len() as u32] {
                self.out.write_all(&field.to_le_bytes())?;
            }
            self.out.write_all(&packet)?;
        }
        self.out.flush()
    }
}

fn packet(from: SocketAddr, to: SocketAddr, (seq, ack): (u32, u32), payload: &[u8]) -> Vec<u8> {
    const PUSH_AND_ACK: u8 = 0x18;
    let mut tcp = Vec::with_capacity(TCP_HEADER + payload.len());
    tcp.extend_from_slice(&from.port().to_be_bytes());
    tcp.extend_from_slice(&to.port().to_be_bytes());
    tcp.extend_from_slice(&seq.to_be_bytes());
    tcp.extend_from_slice(&ack.to_be_bytes());
    tcp.extend_from_slice(&[(TCP_HEADER as u8 / 4) << 4, PUSH_AND_ACK, 0xFF, 0xFF, 0, 0, 0, 0]);
    tcp.extend_from_slice(payload);
    // A segment is far below what 16 bits hold.
    let length = tcp.len() as u16;
    let mut ip = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut ip = vec![0x45, 0xC0];
            ip.extend_from_slice(&(length + 20).to_be_bytes());
            ip.extend_from_slice(&[0, 0, 0x40, 0, 64, TCP, 0, 0]);
            ip.extend_from_slice(&from.octets());
            ip.extend_from_slice(&to.octets());
            let sum = checksum(&[&ip]);
            ip[10..12].copy_from_slice(&sum);
            ip
        }
        (from, to) => {
            let six = |address: IpAddr| match address {
                IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
                IpAddr::V6(address) => address.octets(),
            };
            let mut ip = vec![0x6C, 0, 0, 0];
            ip.extend_from_slice(&length.to_be_bytes());
            ip.extend_from_slice(&[TCP, 64]);
            ip.extend_from_slice(&six(from));
            ip.extend_from_slice(&six(to));
            ip
        }
    };
    // The addresses are the end of either header, and with protocol and length what TCP counts in.
    let addresses = if ip[0] == 0x45 { &ip[12..] } else { &ip[8..] };
    let sum = checksum(&[addresses, &[0, TCP], &length.to_be_bytes(), &tcp]);
    tcp[16..18].copy_from_slice(&sum);
    ip.extend_from_slice(&tcp);
    ip
}

/// Counts the Internet checksum (RFC 1071) over parts of which only the last may have an odd length.
fn checksum(parts: &[&[u8]]) -> [u8; 2] {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let mut sum: u32 =
        words.map(|word| u32::from(word[0]) << 8 | word.get(1).copied().map_or(0, u32::from)).sum();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(direction: CaptureDirection, local: &str, remote: &str) -> CaptureView {
        CaptureView {
            at: 1_795_205_471.5,
            direction,
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
            octets: String::new(),
            text: String::new(),
            missed: 0,
        }
    }

    /// Takes the packets out of a file.
    fn packets(file: &[u8]) -> Vec<Vec<u8>> {
        let mut rest = &file[24..];
        let mut packets = Vec::new();
        while let Some((header, after)) = rest.split_at_checked(16) {
            let length = u32::from_le_bytes(header[8..12].try_into().unwrap()) as usize;
            packets.push(after[..length].to_vec());
            rest = &after[length..];
        }
        packets
    }

    #[test]
    fn sequence_numbers_follow_from_what_went_before() {
        let mut file = Vec::new();
        let mut pcap = Pcap::new(&mut file).unwrap();
        let (local, remote) = ("10.0.0.1:179", "10.0.0.2:40000");
        pcap.add(&captured(CaptureDirection::Received, local, remote), &[1; 19]).unwrap();
        pcap.add(&captured(CaptureDirection::Sent, local, remote), &[2; 23]).unwrap();
        pcap.add(&captured(CaptureDirection::Received, local, remote), &[3; SEGMENT + 1]).unwrap();
        let number = |packet: &[u8], at: usize| u32::from_be_bytes(packet[at..at + 4].try_into().unwrap());
        let numbers: Vec<_> = packets(&file)
            .iter()
            .map(|packet| (number(packet, 24), number(packet, 28), packet.len()))
            .collect();
        let long = SEGMENT as u32;
        assert_eq!(numbers, [(1, 1, 59), (1, 20, 63), (20, 24, 40 + SEGMENT), (20 + long, 24, 41)]);
    }

    #[test]
    fn checksums_are_right_in_both_families() {
        let mut file = Vec::new();
        let mut pcap = Pcap::new(&mut file).unwrap();
        pcap.add(&captured(CaptureDirection::Sent, "10.0.0.1:179", "10.0.0.2:40000"), &[7; 19]).unwrap();
        pcap.add(&captured(CaptureDirection::Sent, "[fd00::1]:179", "[fd00::2]:40000"), &[7; 19]).unwrap();
        let [four, six] = packets(&file).try_into().unwrap();
        assert_eq!(checksum(&[&four[..20]]), [0, 0]);
        assert_eq!(checksum(&[&four[12..20], &[0, TCP, 0, 39], &four[20..]]), [0, 0]);
        assert_eq!(checksum(&[&six[8..40], &[0, TCP, 0, 39], &six[40..]]), [0, 0]);
    }
}
