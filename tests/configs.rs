//! Every example is fine, every mistake is reported as expected, every key does what its documentation says.
//!
//! `tests/fixtures/config/*.toml` are files with mistakes, and beside each the `*.txt` is what an operator
//! sees. `BLESS=1 cargo test -p podbgp-tests --test configs` writes what is seen now.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use podbgpd::check::{FINE, MISTAKEN, check};
use podbgpd::config::{Config, Facts, Mistakes, parse};
use podbgpd::intent::reconcile::{NODE_KEYS, PEER_KEYS, RANGE_KEYS};
use podbgpd::intent::{Effect, reconcile};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Returns the TOML files of a folder, in the order of their names.
fn toml_files(name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(name)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    files.sort();
    assert!(!files.is_empty(), "no files in {name}");
    files
}

/// What a machine would say of itself, whatever machine the tests run on.
fn facts() -> Facts {
    Facts {
        node_name: None,
        namespace: None,
        host_name: Some("host-a".to_owned()),
        addresses: vec!["10.203.30.40".parse().unwrap(), "fd00:20::40".parse().unwrap()],
    }
}

/// Checks a file as `podbgpd --check` does: exit code, standard output, standard error.
fn checked(file: &Path, against: Option<&Path>) -> (u8, String, String) {
    let (mut out, mut problems) = (Vec::new(), Vec::new());
    let code = check(file, against, &facts(), &mut out, &mut problems, false).unwrap();
    (code, String::from_utf8(out).unwrap(), String::from_utf8(problems).unwrap())
}

fn parsed(text: &str, file: &Path) -> Result<Config, Mistakes> {
    parse(text, file, &facts())
}

#[test]
fn every_example_is_fine_and_without_warnings() {
    for file in toml_files("../configs") {
        let (code, out, problems) = checked(&file, None);
        assert_eq!((code, problems.as_str()), (FINE, ""), "{}", file.display());
        assert_eq!(out.lines().count(), 1, "{out}");
    }
}

#[test]
fn every_mistake_is_reported_as_expected() {
    let bless = std::env::var_os("BLESS").is_some();
    for file in toml_files("fixtures/config") {
        let (code, out, problems) = checked(&file, None);
        let shown = format!("exit code {code}\n\n{problems}{out}");
        let shown = shown.replace(&format!("{}/", folder("fixtures/config").display()), "");
        let expectation = file.with_extension("txt");
        if bless {
            fs::write(&expectation, &shown).unwrap();
        }
        let expected = fs::read_to_string(&expectation).unwrap_or_default();
        assert_eq!(shown, expected, "{}: BLESS=1 accepts what is shown now", expectation.display());
    }
}

#[test]
fn three_mistakes_are_reported_with_line_and_key() {
    let file = folder("fixtures/config/three-mistakes.toml");
    let mistakes = parsed(&fs::read_to_string(&file).unwrap(), &file).unwrap_err();
    let found: Vec<(usize, &str)> = mistakes
        .errors
        .iter()
        .map(|error| (mistakes.position(error.span.start).0, error.key.as_str()))
        .collect();
    assert_eq!(found, [(9, "fib.metrik"), (15, "peer[0].families"), (21, "peer[1].hold-time")]);
    assert_eq!(checked(&file, None).0, MISTAKEN);
}

/// A folder of its own for a test, gone with the value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("podbgp-configs-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>, mode: u32) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

#[test]
fn a_password_is_taken_from_its_file_and_never_shown() {
    let folder = Folder::new("password");
    let config = |password_file: &str| {
        let text = format!(
            "[node]\nasn = 64512\n[[peer]]\nname = \"tor-a\"\naddress = \"10.0.0.1\"\nasn = 65001\n\
             password-file = {password_file:?}\n"
        );
        parsed(&text, &folder.0.join("podbgpd.toml"))
    };
    let refused = |octets: &[u8]| {
        folder.write("bad.password", octets, 0o600);
        config("bad.password").unwrap_err().errors.remove(0).problem
    };

    folder.write("good.password", "hunter2\n", 0o600);
    let good = config("good.password").unwrap();
    let password = good.intent.peers["tor-a"].password.clone().unwrap();
    assert_eq!(password.reveal(), b"hunter2");
    assert!(!format!("{good:?}").contains("hunter2"));
    assert!(good.warnings.warnings.is_empty());

    folder.write("open.password", "hunter2\n", 0o644);
    let open = config("open.password").unwrap().warnings.warnings;
    assert_eq!(open[0].problem, "everybody on this machine can read the password");

    assert_eq!(refused(b""), "the file is empty");
    assert_eq!(refused(b"\n"), "the file is empty");
    assert_eq!(refused(&[b'x'; 81]), "the password is longer than 80 octets");
    assert_eq!(refused(b"one\ntwo\n"), "the file has more than one line");
    let missing = config("none.password").unwrap_err().errors.remove(0).problem;
    assert!(missing.starts_with("cannot be read: No such file"), "{missing}");
    let folder_problem = config(".").unwrap_err().errors.remove(0).problem;
    assert_eq!(folder_problem, "cannot be read: is not a regular file");
}

/// For each key a line of `keys/every-key.toml` and another that changes it.
const EDITS: &[(&str, &str, &str)] = &[
    ("node.name", "name = \"node-a\"", "name = \"node-b\""),
    ("node.asn", "asn = 64512", "asn = 64513"),
    ("node.router-id", "router-id = \"10.203.30.40\"", "router-id = \"10.203.30.41\""),
    ("node.cluster-id", "cluster-id = \"10.203.30.41\"", "cluster-id = \"10.203.30.42\""),
    ("node.listen", "listen = [\"0.0.0.0:179\"]", "listen = [\"0.0.0.0:1179\"]"),
    ("node.blocks", "blocks = [\"10.20.30.64/26\"]", "blocks = []"),
    ("node.require-policy", "require-policy = false", "require-policy = true"),
    ("node.announce-fqdn", "announce-fqdn = true", "announce-fqdn = false"),
    ("node.announce-version", "announce-version = false", "announce-version = true"),
    ("fib.install", "install = true", "install = false"),
    ("fib.protocol", "protocol = 179", "protocol = 180"),
    ("fib.metric", "metric = 20", "metric = 21"),
    ("fib.table", "table = 254", "table = 100"),
    ("fib.transit-table", "transit-table = 178", "transit-table = 177"),
    ("fib.max-paths", "max-paths = 16", "max-paths = 1"),
    ("fib.next-hop-groups", "next-hop-groups = \"auto\"", "next-hop-groups = \"never\""),
    ("fib.weights", "weights = \"none\"", "weights = \"link-bandwidth\""),
    ("decision.multipath-relax", "multipath-relax = true", "multipath-relax = false"),
    ("decision.always-compare-med", "always-compare-med = false", "always-compare-med = true"),
    ("bfd.min-tx", "min-tx = 310", "min-tx = 50"),
    ("bfd.min-rx", "min-rx = 320", "min-rx = 50"),
    ("bfd.multiplier", "multiplier = 4", "multiplier = 5"),
    ("graceful-restart.enabled", "enabled = true", "enabled = false"),
    ("graceful-restart.restart-time", "\nrestart-time = 90", "\nrestart-time = 91"),
    ("graceful-restart.selection-deferral", "selection-deferral = 70", "selection-deferral = 71"),
    ("graceful-restart.max-peer-restart-time", "max-peer-restart-time = 200", "max-peer-restart-time = 201"),
    ("graceful-restart.long-lived-stale-time", "long-lived-stale-time = 0", "long-lived-stale-time = 3600"),
    ("graceful-restart.state-directory", "\"/var/lib/podbgpd\"", "\"/var/lib/elsewhere\""),
    ("drain.announce", "announce = 10", "announce = 20"),
    ("drain.withdraw", "withdraw = 2", "withdraw = 3"),
    ("drain.deadline", "deadline = 60", "deadline = 30"),
    ("drain.prepend", "prepend = 1", "prepend = 2"),
    ("drain.med", "med = 100", ""),
    ("drain.on-host-shutdown", "on-host-shutdown = true", "on-host-shutdown = false"),
    ("history.records", "records = 1000", "records = 0"),
    ("control.socket", "/run/podbgp/podbgpd.sock", "/run/podbgpd.sock"),
    ("metrics.listen", "127.0.0.1:9179", "127.0.0.1:9180"),
    ("bmp.address", "address = \"192.0.2.1:11019\"", "address = \"192.0.2.2:11019\""),
    ("bmp.views", "views = [\"adj-rib-in-pre-policy\"]", "views = [\"loc-rib\"]"),
    ("bmp.statistics-interval", "statistics-interval = 60", "statistics-interval = 0"),
    ("mrt.directory", "/var/lib/podbgpd/mrt", "/var/lib/elsewhere/mrt"),
    ("mrt.max-size", "max-size = 64", "max-size = 65"),
    ("mrt.max-age", "max-age = 3600", "max-age = 3601"),
    ("mrt.keep", "keep = 24", "keep = 25"),
    ("kubernetes.node-name", "node-a.example.net", "node-b.example.net"),
    ("kubernetes.kubeconfig", "kubeconfig = \"kubeconfig\"", ""),
    ("kubernetes.namespace", "namespace = \"podbgp\"", "namespace = \"kube-system\""),
    ("kubernetes.router-id", "router-id = \"node-address\"", "router-id = \"hash\""),
    ("kubernetes.blocks", "blocks = \"auto\"", "blocks = \"cilium\""),
    ("kubernetes.peers", "peers = \"auto\"", "peers = \"podbgp\""),
    ("kubernetes.service-cluster-ips", "\"10.96.0.0/16\"", "\"10.97.0.0/16\""),
    ("kubernetes.service-external-ips", "\"192.0.2.64/27\"", ""),
    ("kubernetes.service-load-balancer-ips", ", \"fd00:20::/112\"", ""),
    ("kubernetes.accept-default", "accept-default = false", "accept-default = true"),
    ("kubernetes.drain-taints", "\"podbgp.io/drain\", ", ""),
    ("kubernetes.startup-taint", "podbgp.io/starting:NoSchedule", "podbgp.io/starting"),
    ("kubernetes.max-withdraw", "max-withdraw = 50", "max-withdraw = 100"),
    ("kubernetes.hold", "hold = 600", ""),
    ("kubernetes.damping", "damping = 5", "damping = 0"),
    ("kubernetes.status", "status = \"condition\"", "status = \"resource\""),
    ("peer.description", "description = \"left\"", "description = \"right\""),
    ("peer.address", "address = \"10.203.30.1\"", "address = \"10.203.30.2\""),
    // What a link leaves no choice about goes with the address.
    (
        "peer.interface",
        "address = \"10.203.30.1\"\nlocal-address = \"10.203.30.40\"\nbfd = true",
        "interface = \"eth1\"",
    ),
    ("peer.port", "port = 179", "port = 1790"),
    ("peer.asn", "asn = 65001", "asn = 65002"),
    ("peer.local-asn", "local-asn = 64999", "local-asn = 64998"),
    ("peer.local-asn-mode", "local-asn-mode = \"replace\"", "local-asn-mode = \"prepend\""),
    ("peer.allow-own-as", "allow-own-as = 0", "allow-own-as = 1"),
    ("peer.local-address", "local-address = \"10.203.30.40\"", ""),
    ("peer.role", "role = \"customer\"", "role = \"peer\""),
    ("peer.role-strict", "role-strict = false", "role-strict = true"),
    ("peer.passive", "passive = false", "passive = true"),
    ("peer.password-file", "a.password", "b.password"),
    ("peer.tcp-ao", "id = 1", "id = 2"),
    ("peer.hold-time", "hold-time = 9", "hold-time = 90"),
    ("peer.keepalive", "keepalive = 2", "keepalive = 3"),
    ("peer.send-hold-time", "send-hold-time = 480", "send-hold-time = 500"),
    ("peer.connect-retry", "connect-retry = 5", "connect-retry = 6"),
    ("peer.families", "families = [\"ipv4\", \"ipv6\"]", "families = [\"ipv4\"]"),
    ("peer.multihop", "multihop = 1", "multihop = 2"),
    ("peer.ttl-security", "multihop = 1\n# ttl-security = 1", "ttl-security = 1"),
    ("peer.fast-failover", "fast-failover = true", "fast-failover = false"),
    ("peer.bfd", "bfd = true", "bfd = { interval = 50, multiplier = 3, multihop = true }"),
    ("peer.graceful-restart", "graceful-restart = \"both\"", "graceful-restart = \"helper\""),
    ("peer.restart-time", "\nrestart-time = 30", "\nrestart-time = 31"),
    ("peer.max-prefixes", "max-prefixes = 1000", "max-prefixes = 2000"),
    ("peer.max-prefixes-warning", "max-prefixes-warning = 80", "max-prefixes-warning = 90"),
    ("peer.max-prefixes-restart", "max-prefixes-restart = 60", ""),
    ("peer.max-length-ipv4", "max-length-ipv4 = 32", "max-length-ipv4 = 24"),
    ("peer.max-length-ipv6", "max-length-ipv6 = 128", "max-length-ipv6 = 64"),
    ("peer.import", "import = \"safe\"", "import = \"all\""),
    ("peer.export", "export = \"originated\"", "export = \"none\""),
    ("peer.client", "client = false", "client = true"),
    ("peer.next-hop", "next-hop = \"keep\"", "next-hop = \"auto\""),
    (
        "peer.add-path",
        "add-path = false",
        "add-path = { receive = 4, send = \"all\", families = [\"ipv6\"] }",
    ),
    ("peer.graceful-shutdown", "graceful-shutdown = true", "graceful-shutdown = false"),
    ("peer.blackhole", "blackhole = false", "blackhole = true"),
    ("peer.link-bandwidth", "link-bandwidth = \"25Gbit\"", "link-bandwidth = 1250000"),
    ("peer.aigp", "aigp = true", "aigp = false"),
    ("peer.shutdown", "shutdown = false", "shutdown = true"),
    ("listen-range.prefix", "10.204.0.0/16", "10.205.0.0/16"),
    ("listen-range.limit", "limit = 50", "limit = 51"),
    ("listen-range.linger", "linger = 30", "linger = 31"),
];

/// Returns every key with what changing it costs. What the cluster says is no key of a file.
fn documented_keys() -> Vec<(&'static str, Effect)> {
    let of_file = NODE_KEYS.iter().filter(|key| !key.path.starts_with("cluster."));
    let node = of_file.map(|key| (key.path, key.effect));
    let ranges = RANGE_KEYS.iter().map(|key| (key.path, key.effect));
    node.chain(PEER_KEYS.iter().map(|key| (key.path, key.effect))).chain(ranges).collect()
}

#[test]
fn each_key_alone_costs_what_its_row_says() {
    let folder = Folder::new("keys");
    folder.write("a.password", "hunter2\n", 0o600);
    folder.write("b.password", "hunter3\n", 0o600);
    folder.write("c.key", "hunter4\n", 0o600);
    let file = folder.0.join("podbgpd.toml");
    let text = fs::read_to_string(self::folder("fixtures/config/keys/every-key.toml")).unwrap();
    let old = parsed(&text, &file).map_err(|mistakes| mistakes.render(false)).unwrap().intent;

    for (key, effect) in documented_keys() {
        let (_, line, other) = EDITS.iter().find(|(edited, ..)| *edited == key).expect(key);
        assert_eq!(text.matches(line).count(), 1, "{key}: {line:?}");
        let new = parsed(&text.replace(line, other), &file);
        let new = new.map_err(|mistakes| mistakes.render(false)).unwrap().intent;
        let changes = reconcile(&old, &new);
        let effects: Vec<Effect> = changes.iter().map(podbgpd::intent::Change::effect).collect();
        assert_eq!(effects, [effect], "{key}: {changes:?}");
        assert!(changes[0].to_string().contains(key), "{key}: {}", changes[0]);
        assert_eq!(reconcile(&new, &new), [], "{key}");
    }
}

/// Returns the cells of the rows of the documentation that begin with a key.
fn documented_rows(page: &str) -> Vec<Vec<&str>> {
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn the_table_of_keys_is_true() {
    let page = fs::read_to_string(folder("../configs/README.md")).unwrap();
    let rows = documented_rows(&page);
    let find = |key: &str| rows.iter().find(|row| row[0] == format!("`{key}`"));
    for (key, effect) in documented_keys() {
        let row = find(key).unwrap_or_else(|| panic!("{key} is not in configs/README.md"));
        assert_eq!(row.last(), Some(&effect.to_string().as_str()), "the effect of {key}");
    }
    let known: BTreeSet<&str> =
        documented_keys().iter().map(|(key, _)| *key).chain(["peer.name", "peer.template"]).collect();
    let stray: Vec<&str> = rows
        .iter()
        .map(|row| row[0].trim_matches('`'))
        .filter(|key| key.contains('.') && !key.starts_with("set.") && !key.starts_with("test."))
        .filter(|key| !known.contains(key))
        .collect();
    assert_eq!(stray, [] as [&str; 0], "keys of configs/README.md that do not exist");
}

/// Returns the keys a table knows, from what it says of one it does not.
fn known_keys(table: &str) -> BTreeSet<String> {
    let text = format!("[node]\nasn = 64512\n{table}zzzzzzzzzzzz = 0\n");
    let hint = parsed(&text, Path::new("podbgpd.toml")).unwrap_err().errors.remove(0).hint;
    hint.strip_prefix("expected one of: ").unwrap().split(", ").map(str::to_owned).collect()
}

#[test]
fn the_tables_of_policies_are_true() {
    let page = fs::read_to_string(folder("../configs/README.md")).unwrap();
    let rows = documented_rows(&page);
    let keys = rows.iter().flat_map(|row| row[0].split(", ")).map(|key| key.trim_matches('`'));
    let documented: BTreeSet<&str> = keys.filter(|key| !key.contains('.')).chain(["name", "then"]).collect();

    assert_eq!(
        documented,
        known_keys("[[policy.p.rule]]\nthen = \"next\"\n").iter().map(String::as_str).collect()
    );
    for (table, shown) in [
        ("set.", "[set.s]\n"),
        ("test.", "[[policy.p.test]]\nprefix = \"10.0.0.0/8\"\nexpect = \"reject\"\n"),
    ] {
        let cells = rows.iter().flat_map(|row| row[0].split(", ")).map(|key| key.trim_matches('`'));
        let documented: BTreeSet<String> =
            cells.filter_map(|key| key.strip_prefix(table)).map(str::to_owned).collect();
        assert_eq!(documented, known_keys(shown), "{table}");
    }
}

#[test]
fn another_policy_refreshes_the_peers_that_use_it() {
    let folder = Folder::new("policy");
    let text = fs::read_to_string(self::folder("../configs/policy.toml")).unwrap();
    let old = folder.write("old.toml", &text, 0o600);
    let new = folder.write("new.toml", text.replace("set-med = 100", "set-med = 200"), 0o600);
    let (_, out, _) = checked(&new, Some(&old));
    let shown: Vec<&str> = out.lines().skip(1).collect();
    assert_eq!(
        shown,
        ["  refresh        peer tor-a: peer.export changed", "a reload would keep all sessions"]
    );
}

#[test]
fn a_comparison_shows_what_a_reload_would_do() {
    let folder = Folder::new("compare");
    let text = fs::read_to_string(self::folder("../configs/two-tors.toml")).unwrap();
    let old = folder.write("old.toml", &text, 0o600);
    let shown = |new: &str| {
        let new = folder.write("new.toml", new, 0o600);
        let (code, out, _) = checked(&new, Some(&old));
        assert_eq!(code, FINE);
        out.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };

    assert_eq!(shown(&text), ["a reload would change nothing"]);
    assert_eq!(
        shown(&text.replace("rack 30, left", "rack 31, left")),
        [
            "  none           peer tor-a: peer.description rack 30, left switch -> rack 31, left switch",
            "a reload would keep all sessions"
        ]
    );
    assert_eq!(
        shown(&text.replace("asn = 65002", "asn = 65003")),
        ["  session reset  peer tor-b: peer.asn 65002 -> 65003", "a reload would end 1 session"]
    );
    let refused = shown(&text.replace("metric = 20", "metric = 30"));
    assert_eq!(refused[0], "  restart        fib.metric 20 -> 30");
    assert!(refused[1].starts_with("a reload would be refused"), "{refused:?}");
}

/// A small generator of numbers (xorshift); the same numbers in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }
}

#[test]
fn no_text_makes_the_reader_panic() {
    let words = [
        "\"",
        "[",
        "]",
        "{",
        "}",
        "=",
        "\n",
        "ä",
        "\u{0}",
        "-1",
        "999999999999999999999",
        "0x",
        "'''",
        ".",
        "[[peer]]",
        "true",
        "1979-05-27",
        "inf",
        "::",
        "/",
        "\t",
        "\u{FEFF}",
        "\r\n",
        "#",
    ];
    let files = [toml_files("../configs"), toml_files("fixtures/config"), toml_files("fixtures/config/keys")];
    let texts: Vec<String> = files.iter().flatten().map(|file| fs::read_to_string(file).unwrap()).collect();
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let mut mistaken = 0;
    for round in 0..50_000 {
        let mut text: Vec<char> = texts[round % texts.len()].chars().collect();
        for _ in 0..=numbers.below(4) {
            let at = numbers.below(text.len());
            let end = (at + numbers.below(12)).min(text.len());
            let replacement: Vec<char> = match numbers.below(3) {
                0 => Vec::new(),
                1 => words[numbers.below(words.len())].chars().collect(),
                _ => {
                    let from = numbers.below(text.len());
                    text[from..(from + 30).min(text.len())].to_vec()
                }
            };
            text.splice(at..end, replacement);
        }
        let text: String = text.into_iter().collect();
        match parsed(&text, Path::new("podbgpd.toml")) {
            Ok(config) => assert!(config.warnings.errors.is_empty()),
            Err(mistakes) => {
                mistaken += 1;
                assert!(!mistakes.errors.is_empty(), "refused without a reason: {text}");
                // Rendering is slow and does the same for each mistake of a kind.
                if round % 10 == 0 {
                    assert!(mistakes.render(true).contains("error"));
                }
                assert!(mistakes.to_string().contains("podbgpd.toml:"));
            }
        }
    }
    assert!(mistaken > 1_000, "mutations make mistakes");
}

#[test]
fn a_monstrous_file_is_refused_like_any_other() {
    let many = |piece: &str, times: usize| piece.repeat(times);
    let monsters = [
        format!("x = {}", many("[", 500_000)),
        format!("x = {}", many("{a=", 100_000)),
        format!("{}a = 1", many("a.", 500_000)),
        format!("[{}a]", many("a.", 500_000)),
        (0..20_000).map(|key| format!("unknown-key-{key} = 1\n")).collect(),
        many("[[peer]]\n", 20_000),
    ];
    for monster in monsters {
        let mistakes = parsed(&monster, Path::new("podbgpd.toml")).unwrap_err();
        assert!(mistakes.render(false).len() < 16 * 1024 * 1024);
    }
}
