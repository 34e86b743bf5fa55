use super::*;

#[test]
fn only_what_changes_what_is_in_force_makes_another_revision() {
    let mut objects = Objects::new("a");
    let mut revision = objects.revision();
    let mut is_news = |event: Event| {
        objects.handle(event);
        std::mem::replace(&mut revision, objects.revision()) != revision
    };
    let node = |json: &str| Event::Apply(Object::read(Kind::Node, json).unwrap());
    let as_it_is =
        r#"{"metadata":{"name":"a","annotations":{"kubelet":"1"}},"spec":{"podCIDRs":["10.0.0.0/24"]}}"#;
    let as_good =
        r#"{"metadata":{"name":"a","annotations":{"kubelet":"2"}},"spec":{"podCIDRs":["10.0.0.0/24"]}}"#;
    let other = r#"{"metadata":{"name":"a"},"spec":{"podCIDRs":["10.0.1.0/24"]}}"#;
    assert!(!is_news(Event::Begin(Kind::Node)));
    assert!(!is_news(node(as_it_is)), "a list on its way is nothing yet");
    assert!(is_news(Event::End(Kind::Node)));
    assert!(!is_news(node(as_good)), "what is not kept is no news");
    assert!(is_news(node(other)));
    for _ in 0..2 {
        is_news(Event::Begin(Kind::Node));
        is_news(node(other));
        assert!(!is_news(Event::End(Kind::Node)), "a relist that says the same");
    }
    assert!(is_news(Event::Unreadable(Kind::Node, Key::of("b"), "odd".to_owned())));
    assert!(!is_news(Event::Unreadable(Kind::Node, Key::of("b"), "odd".to_owned())));
    assert!(is_news(Event::Delete(Kind::Node, Key::of("a"))));
    assert!(!is_news(Event::Delete(Kind::Node, Key::of("a"))));
    assert!(is_news(Event::Absent(Kind::Node)));
    assert!(!is_news(Event::Absent(Kind::Node)));
    let secret = Key { namespace: "x".to_owned(), name: "y".to_owned() };
    assert!(is_news(Event::Delete(Kind::Secret, secret.clone())), "now it is known that there is none");
    assert!(!is_news(Event::Delete(Kind::Secret, secret)));
}

#[test]
fn a_list_takes_the_place_of_the_last_one_whatever_of_it_was_known() {
    let mut objects = Objects::new("a");
    let node = |name: &str, block: &str| {
        let json = format!(r#"{{"metadata":{{"name":"{name}"}},"spec":{{"podCIDR":"{block}"}}}}"#);
        Event::Apply(Object::read(Kind::Node, &json).unwrap())
    };
    let blocks = |objects: &Objects| -> Vec<String> {
        objects.nodes.iter().map(|(key, node)| format!("{key} {}", node.spec.pod_cidr)).collect()
    };
    let lists = [
        vec![node("a", "1"), node("b", "2"), node("c", "3")],
        vec![
            node("a", "1"),
            node("b", "4"),
            node("d", "5"),
            node("c", "3"),
            Event::Delete(Kind::Node, Key::of("c")),
        ],
        // The last word on an object within a list counts.
        vec![node("a", "6"), node("a", "1"), node("d", "5"), node("d", "7")],
    ];
    let expected = [vec!["a 1", "b 2", "c 3"], vec!["a 1", "b 4", "d 5"], vec!["a 1", "d 7"]];
    for (list, expected) in lists.into_iter().zip(expected) {
        let before = blocks(&objects);
        objects.handle(Event::Begin(Kind::Node));
        for event in list {
            objects.handle(event);
            assert_eq!(blocks(&objects), before, "a list on its way is not in force");
        }
        objects.handle(Event::End(Kind::Node));
        assert_eq!(blocks(&objects), expected);
    }
    objects.handle(Event::Begin(Kind::Node));
    objects.handle(node("x", "8"));
    objects.handle(Event::Begin(Kind::Node));
    objects.handle(Event::End(Kind::Node));
    assert!(blocks(&objects).is_empty(), "a list that began anew is another one");
}
