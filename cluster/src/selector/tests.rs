use std::collections::BTreeMap;

use super::{Selector, SelectorError};

fn labels() -> BTreeMap<String, String> {
    [("rack", "r1"), ("projectcalico.org/zone", "eu-west"), ("in", "x"), ("empty", "")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

fn matches(text: &str) -> bool {
    text.parse::<Selector>().unwrap_or_else(|error| panic!("{text}: {error}")).matches(&labels())
}

#[test]
fn every_test_of_the_grammar_holds_and_fails() {
    for (yes, no) in [
        ("all()", "!all()"),
        ("all( )", "! all()"),
        ("global()", "!global()"),
        (" \t", "!has(rack)"),
        ("has(rack)", "has(row)"),
        ("has(empty)", "has( row )"),
        ("rack == 'r1'", "rack == 'r2'"),
        ("rack==\"r1\"", "rack == \"r\""),
        ("rack != 'r2'", "rack != 'r1'"),
        ("row != 'r1'", "row == 'r1'"),
        ("empty == ''", "row == ''"),
        ("rack in {'r0', 'r1'}", "rack in {}"),
        ("rack in {'r1',}", "rack in {'r2'}"),
        ("rack not in {'r2'}", "rack not in {'r1', \"r2\"}"),
        ("row not in {'r1'}", "row in {'r1'}"),
        ("rack notin {'r2'}", "rack notin {'r1'}"),
        ("rack contains '1'", "rack contains '2'"),
        ("rack contains ''", "row contains ''"),
        ("projectcalico.org/zone starts with 'eu-'", "rack starts with '1'"),
        ("projectcalico.org/zone ends with \"west\"", "rack ends with 'r'"),
        ("in in {'x'}", "in not in {'x'}"),
        ("rack != '\"'", "rack == '\"'"),
    ] {
        assert!(matches(yes), "{yes}");
        assert!(!matches(no), "{no}");
    }
}

#[test]
fn not_binds_closer_than_and_and_that_closer_than_or() {
    assert!(matches("has(rack) || has(row) && has(column)"));
    assert!(!matches("(has(rack) || has(row)) && has(column)"));
    assert!(!matches("!has(rack) || has(row)"));
    assert!(matches("!(has(rack) && has(row))"));
    assert!(matches("!!has(rack) && !!!has(row) && rack == 'r1'"));
}

#[test]
fn what_is_no_selector_says_where_it_ceases_to_be_one() {
    for (text, error) in [
        (
            "rack",
            "`==`, `!=`, `in`, `not in`, `contains`, `starts with` or `ends with` should be at octet 4, where there is the end",
        ),
        ("rack = 'r1'", "'=' at octet 5 means nothing outside quotes"),
        ("rack == r1", "text in quotes should be at octet 8, where there is `r1`"),
        ("rack == 'r1", "the quote at octet 8 is never closed"),
        ("rack starts 'r'", "`with` should be at octet 12, where there is \"r\""),
        ("rack in 'r'", "`{` should be at octet 8, where there is \"r\""),
        ("rack in {'r' 's'}", "text in quotes, or `}` should be at octet 13, where there is \"s\""),
        ("(all()", "`)` should be at octet 6, where there is the end"),
        ("all() all()", "`&&`, `||` or the end should be at octet 6, where there is `all`"),
        ("all(rack)", "`)` should be at octet 4, where there is `rack`"),
        ("has()", "the name of a label should be at octet 4, where there is `)`"),
        ("all() &&", "a label, `has(`, `all()` or `(` should be at octet 8, where there is the end"),
        ("rack == 'ö' & all()", "'&' at octet 13 means nothing outside quotes"),
        ("all()\n", "'\\n' at octet 5 means nothing outside quotes"),
    ] {
        assert_eq!(text.parse::<Selector>().unwrap_err().to_string(), error, "{text}");
    }
}

#[test]
fn a_selector_made_to_overflow_the_stack_is_refused() {
    let nested = |depth: usize| format!("{}all(){}", "(".repeat(depth), ")".repeat(depth));
    assert!(nested(32).parse::<Selector>().is_ok());
    assert_eq!(nested(33).parse::<Selector>(), Err(SelectorError::TooDeep));
    assert_eq!("(".repeat(60_000).parse::<Selector>(), Err(SelectorError::TooDeep));
    assert_eq!("!(".repeat(30_000).parse::<Selector>(), Err(SelectorError::TooDeep));
    assert!(matches(&format!("{}all()", "!".repeat(60_000))));
    assert!(matches(&vec!["all()"; 7_000].join("&&")));
    assert_eq!(" ".repeat(70_000).parse::<Selector>(), Err(SelectorError::TooLong));
}
