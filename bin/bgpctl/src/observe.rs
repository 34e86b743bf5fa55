//! What is not one view: captures, which go on, and dumps, which are for other programs.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use control::{CaptureDirection, CaptureView, Request};

use crate::args::{Capture, Format};
use crate::pcap::Pcap;
use crate::render::text;
use crate::{Client, ClientError, Failure};

/// Shows or writes a peer's messages until there were enough.
pub(crate) async fn capture(client: &Client, wanted: &Capture, format: Format) -> Result<(), Failure> {
    let request = Request::Capture { peer: wanted.peer.clone() };
    let mut pcap = match &wanted.write {
        Some(file) => Some(Pcap::new(create(file)?)?),
        None => None,
    };
    let mut left = wanted.count;
    let mut take = |line: &[u8]| -> Result<bool, ClientError> {
        let view: CaptureView =
            serde_json::from_slice(line).map_err(|source| ClientError::Unknown { status: 200, source })?;
        if view.missed > 0 {
            let missed = format!("bgpctl: {} messages were missed\n", view.missed);
            io::stderr().write_all(missed.as_bytes()).map_err(ClientError::Output)?;
        }
        let written = match (&mut pcap, format) {
            (Some(pcap), _) => pcap.add(&view, &view.message().unwrap_or_default()),
            (None, Format::Json) => io::stdout().write_all(&[line, b"\n"].concat()),
            (None, Format::Text | Format::Wide) => io::stdout().write_all(shown(&view).as_bytes()),
        };
        written.map_err(ClientError::Output)?;
        left = left.map(|left| left.saturating_sub(1));
        Ok(left != Some(0))
    };
    let lines = client.lines(&request, &mut take);
    match wanted.seconds {
        // Enough time is no failure.
        Some(seconds) => tokio::time::timeout(Duration::from_secs(seconds), lines).await.unwrap_or(Ok(()))?,
        None => lines.await?,
    }
    Ok(())
}

/// Writes all tables to a file, or to the standard output when it is called `-`.
pub(crate) async fn dump(client: &Client, file: &Path) -> Result<(), Failure> {
    let request = Request::Dump { after: None };
    if file == Path::new("-") {
        client.copy(&request, &mut io::stdout().lock()).await?;
    } else {
        client.copy(&request, &mut io::BufWriter::new(create(file)?)).await?;
    }
    Ok(())
}

fn create(file: &Path) -> Result<File, Failure> {
    File::create(file).map_err(|error| Failure::File { file: file.to_owned(), error })
}

/// Renders a message as a line: when, which way, how long, and what.
fn shown(view: &CaptureView) -> String {
    let micros = Duration::try_from_secs_f64(view.at).unwrap_or_default().as_micros();
    let second = micros / 1_000_000;
    let direction = match view.direction {
        CaptureDirection::Received => "<",
        CaptureDirection::Sent => ">",
    };
    format!(
        "{:02}:{:02}:{:02}.{:06}Z {direction} {:>5} {}\n",
        second / 3600 % 24,
        second / 60 % 60,
        second % 60,
        micros % 1_000_000,
        view.octets.len() / 2,
        text::plain(&view.text)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_a_line() {
        let view = CaptureView {
            at: 1_795_205_471.25,
            direction: CaptureDirection::Sent,
            local: "10.0.0.1:179".parse().unwrap(),
            remote: "10.0.0.2:40000".parse().unwrap(),
            octets: "ff".repeat(19),
            text: "KEEP\u{1b}ALIVE".to_owned(),
            missed: 0,
        };
        let line = shown(&view);
        assert!(line.starts_with("20:11:11.250000Z >    19 KEEP"), "{line}");
        assert!(!line.contains('\u{1b}'), "a peer's words reach no terminal unchanged");
    }
}
