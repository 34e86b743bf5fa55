//! What systemd-networkd is told of routes and nexthops that are not its own.
//!
//! Unless told otherwise it removes them when it starts or an interface is set up anew (networkd.conf(5)). Its
//! settings come from one main file, the first found, and then from pieces of every folder, in the order of
//! their names; a piece hides those of the same name in folders of lower rank.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use control::WrongHandView;

/// Where settings are looked for, the highest rank first.
const FOLDERS: [&str; 4] = ["etc/systemd", "run/systemd", "usr/local/lib/systemd", "usr/lib/systemd"];
/// What is there while the service runs: its control group.
const SERVICES: [&str; 2] = [
    "sys/fs/cgroup/system.slice/systemd-networkd.service",
    "sys/fs/cgroup/systemd/system.slice/systemd-networkd.service",
];

/// What networkd is told of others' routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networkd {
    /// `ManageForeignRoutes=`.
    pub routes: Setting,
    /// `ManageForeignNextHops=`.
    pub next_hops: Setting,
}

/// A setting that is on unless switched off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Whether it is on.
    pub on: bool,
    /// The file that says so, if any does.
    pub file: Option<PathBuf>,
}

impl Default for Setting {
    fn default() -> Self {
        Self { on: true, file: None }
    }
}

impl Networkd {
    /// Reads the settings below `root`; `None` if networkd does not run.
    pub(super) fn read(root: &Path) -> Option<Self> {
        if !SERVICES.iter().any(|service| root.join(service).exists()) {
            return None;
        }
        let main =
            FOLDERS.iter().map(|folder| root.join(folder).join("networkd.conf")).find(|file| file.exists());
        let mut pieces: BTreeMap<_, PathBuf> = BTreeMap::new();
        for folder in FOLDERS {
            let Ok(entries) = fs::read_dir(root.join(folder).join("networkd.conf.d")) else { continue };
            let files =
                entries.flatten().filter(|entry| entry.path().extension().is_some_and(|end| end == "conf"));
            for entry in files {
                pieces.entry(entry.file_name()).or_insert_with(|| entry.path());
            }
        }
        let mut networkd = Self::default();
        for file in main.into_iter().chain(pieces.into_values()) {
            // What cannot be read, networkd cannot either.
            networkd.take(&fs::read_to_string(&file).unwrap_or_default(), &file);
        }
        Some(networkd)
    }

    fn take(&mut self, text: &str, file: &Path) {
        let mut section = "";
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                section = name;
            }
            let Some((key, value)) = line.split_once('=').filter(|_| section == "Network") else { continue };
            let setting = match key.trim() {
                "ManageForeignRoutes" => &mut self.routes,
                "ManageForeignNextHops" => &mut self.next_hops,
                _ => continue,
            };
            if let Some(on) = truth(value.trim()) {
                *setting = Setting { on, file: Some(file.to_owned()) };
            }
        }
    }

    pub(super) fn findings(&self) -> impl Iterator<Item = WrongHandView> {
        let settings = [
            (&self.routes, "networkd_foreign_routes", "routes", "ManageForeignRoutes"),
            (&self.next_hops, "networkd_foreign_next_hops", "nexthops", "ManageForeignNextHops"),
        ];
        settings.into_iter().filter(|(setting, ..)| setting.on).map(|(setting, kind, what, key)| {
            let file = setting.file.as_ref();
            WrongHandView {
                kind: kind.to_owned(),
                place: match file {
                    Some(file) => format!("systemd-networkd, {key} in {}", file.display()),
                    None => format!("systemd-networkd, {key} is not set"),
                },
                why: format!("networkd removes {what} of others when it starts or sets up an interface"),
                remedy: format!(
                    "write \"[Network]\" and \"{key}=no\" to /etc/systemd/networkd.conf.d/90-podbgp.conf and restart systemd-networkd"
                ),
            }
        })
    }
}

/// Reads a boolean as systemd does.
fn truth(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "1" | "yes" | "y" | "true" | "t" | "on" => Some(true),
        "0" | "no" | "n" | "false" | "f" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hands::read::tests::Machine;

    const OFF: &str = "# ours\n[Network]\nManageForeignRoutes = no\nManageForeignNextHops=off\n";

    fn read(files: &[(&str, &str)]) -> Option<(bool, bool)> {
        let machine = Machine::new();
        files.iter().for_each(|(path, text)| machine.write(path, text));
        Networkd::read(machine.root()).map(|networkd| (networkd.routes.on, networkd.next_hops.on))
    }

    const RUNS: (&str, &str) = ("sys/fs/cgroup/system.slice/systemd-networkd.service/cgroup.procs", "1\n");

    #[test]
    fn a_service_that_does_not_run_harms_nobody() {
        assert_eq!(read(&[("etc/systemd/networkd.conf", "[Network]\n")]), None);
        assert_eq!(read(&[RUNS]), Some((true, true)));
    }

    #[test]
    fn the_main_file_of_the_highest_rank_is_the_only_one() {
        let shipped = ("usr/lib/systemd/networkd.conf", OFF);
        assert_eq!(read(&[RUNS, shipped]), Some((false, false)));
        assert_eq!(read(&[RUNS, shipped, ("etc/systemd/networkd.conf", "")]), Some((true, true)));
    }

    #[test]
    fn pieces_come_after_the_main_file_in_the_order_of_their_names() {
        let early = ("etc/systemd/networkd.conf.d/10-early.conf", OFF);
        let late = ("usr/lib/systemd/networkd.conf.d/20-late.conf", "[Network]\nManageForeignRoutes=yes\n");
        assert_eq!(read(&[RUNS, early, late]), Some((true, false)));
        assert_eq!(
            read(&[RUNS, early, ("etc/systemd/networkd.conf", "[Network]\nManageForeignRoutes=1\n")]),
            Some((false, false))
        );
    }

    #[test]
    fn a_piece_hides_its_namesake_of_lower_rank() {
        let shipped = ("usr/lib/systemd/networkd.conf.d/10-off.conf", OFF);
        assert_eq!(read(&[RUNS, shipped]), Some((false, false)));
        assert_eq!(
            read(&[RUNS, shipped, ("run/systemd/networkd.conf.d/10-off.conf", "")]),
            Some((true, true))
        );
    }

    #[test]
    fn only_what_is_said_in_the_right_place_counts() {
        let elsewhere = "[DHCPv4]\nManageForeignRoutes=no\n[Network]\n;ManageForeignRoutes=no\nManageForeignNextHops=perhaps\n";
        assert_eq!(read(&[RUNS, ("etc/systemd/networkd.conf", elsewhere)]), Some((true, true)));
        assert_eq!(read(&[RUNS, ("etc/systemd/networkd.conf.d/10-off.conf~", OFF)]), Some((true, true)));
    }
}
