use bgp::{Asn, BgpId};

use super::*;
use crate::snapshot::Prefixes;

/// A folder of its own for a test, gone with the value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("podbgpd-snapshot-{name}-{}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn node(last: u8) -> Identity {
    Identity { asn: Asn(64_512), router_id: BgpId::new([10, 0, 0, last].into()).expect("not zero") }
}

fn snapshot() -> Snapshot {
    Snapshot {
        node: node(1),
        taken: Moment::now().expect("this is Linux"),
        farewell: true,
        installed: 1,
        originated: Prefixes::default(),
        peers: Vec::new(),
    }
}

#[test]
fn the_next_run_finds_what_this_one_wrote() {
    let folder = Folder::new("found");
    assert_eq!(load(&folder.0, node(1)), None, "there is no folder yet");
    let snapshot = snapshot();
    write(&folder.0, &snapshot).expect("the folder is made");
    let (found, age) = load(&folder.0, node(1)).expect("it is there");
    // Time is written in milliseconds.
    assert!(found.farewell && age < Duration::from_secs(10), "{age:?}");
    assert_eq!(load(&folder.0, node(2)), None, "it is another node's");
    assert_eq!(fs::read_dir(&folder.0).expect("it is there").count(), 1, "nothing is left beside it");
}

#[test]
fn a_file_that_is_no_snapshot_is_as_good_as_none() {
    let folder = Folder::new("odd");
    fs::create_dir_all(&folder.0).expect("a folder");
    for odd in [&b""[..], b"podbgp state", &[0xFF; 4096]] {
        fs::write(folder.0.join(SEAL.name), odd).expect("a file");
        assert_eq!(load(&folder.0, node(1)), None);
    }
    fs::remove_file(folder.0.join(SEAL.name)).expect("it is there");
    fs::create_dir(folder.0.join(SEAL.name)).expect("a folder");
    assert_eq!(load(&folder.0, node(1)), None, "it is a folder");
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_and_no_more() {
    let folder = Folder::new("blocked");
    fs::write(&folder.0, "in the way").expect("a file");
    assert!(write(&folder.0, &snapshot()).is_err());
    fs::remove_file(&folder.0).expect("it is there");
}
