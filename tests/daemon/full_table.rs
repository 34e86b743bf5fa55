use support::full_table::{Subject, pass_through};
use support::requires;

/// The benchmark in small: the whole table arrives, once and in order.
#[test]
fn a_table_passes_through() {
    requires!(&[]);
    let cost = pass_through(Subject::Podbgpd, 20_000).expect("the table arrives");
    assert!(cost.updates <= 20_000, "{} UPDATEs for 20000 prefixes", cost.updates);
}
