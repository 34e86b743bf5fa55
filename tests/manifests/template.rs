//! As much of Go's templates as the chart uses, so that what it makes can be looked at where there is no `helm`.
//!
//! Statements `if`, `with`, `range $key, $value :=` and `end`; pipes of fields, variables and the functions of
//! [`call`]. Anything else is a mistake, so a template cannot use what is not tried here.

use std::collections::BTreeMap;

use serde_json::Value;

/// Renders a template with this as `.`.
pub(crate) fn render(template: &str, dot: &Value) -> String {
    let pieces = pieces(template);
    let mut at = 0;
    let mut out = String::new();
    block(&pieces, &mut at, &Scope { dot: dot.clone(), variables: BTreeMap::new() }, true, &mut out);
    assert_eq!(at, pieces.len(), "an end too many");
    out
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Action(String),
}

#[derive(Clone)]
struct Scope {
    dot: Value,
    variables: BTreeMap<String, Value>,
}

/// Cuts a template into text and actions; `{{-` and `-}}` take the white space beside them.
fn pieces(template: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = template;
    let mut trim = false;
    while let Some((text, after)) = rest.split_once("{{") {
        let (action, after) = after.split_once("}}").expect("an action ends");
        let text = if trim { text.trim_start() } else { text };
        let (text, action) = match action.strip_prefix("- ") {
            Some(action) => (text.trim_end(), action),
            None => (text, action),
        };
        trim = action.ends_with(" -");
        pieces.push(Piece::Text(text.to_owned()));
        pieces.push(Piece::Action(action.trim_end_matches(" -").trim().to_owned()));
        rest = after;
    }
    pieces.push(Piece::Text(if trim { rest.trim_start() } else { rest }.to_owned()));
    pieces
}

/// Renders up to the `end` of this block, or the end of all; nothing of it is written unless it is `live`.
fn block(pieces: &[Piece], at: &mut usize, scope: &Scope, live: bool, out: &mut String) {
    while let Some(piece) = pieces.get(*at) {
        *at += 1;
        let action = match piece {
            Piece::Text(text) if live => {
                out.push_str(text);
                continue;
            }
            Piece::Text(_) => continue,
            Piece::Action(action) => action.as_str(),
        };
        match action.split_once(' ').unwrap_or((action, "")) {
            ("end", "") => return,
            ("if", condition) => {
                let holds = live && is_true(&evaluate(condition, scope));
                block(pieces, at, scope, holds, out);
            }
            ("with", expression) => {
                let dot = if live { evaluate(expression, scope) } else { Value::Null };
                let inner = Scope { dot: dot.clone(), ..scope.clone() };
                block(pieces, at, &inner, live && is_true(&dot), out);
            }
            ("range", range) => each(pieces, at, scope, range, live, out),
            _ if live => match evaluate(action, scope) {
                Value::String(text) => out.push_str(&text),
                Value::Null => panic!("{action}: no such value"),
                value => out.push_str(&value.to_string()),
            },
            _ => {}
        }
    }
}

fn each(pieces: &[Piece], at: &mut usize, scope: &Scope, range: &str, live: bool, out: &mut String) {
    let (names, expression) = range.split_once(" := ").expect("range $key, $value := ...");
    let (key, value) = names.split_once(", ").expect("two variables");
    let entries = if live { evaluate(expression, scope) } else { Value::Null };
    let start = *at;
    // Once without effect, to find the end.
    block(pieces, at, scope, false, out);
    for (name, entry) in entries.as_object().into_iter().flatten() {
        let mut inner = scope.clone();
        inner.variables.insert(key.to_owned(), Value::from(name.as_str()));
        inner.variables.insert(value.to_owned(), entry.clone());
        block(pieces, &mut start.clone(), &inner, true, out);
    }
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
    }
}

/// Evaluates a pipe; what comes out of one command is the last argument of the next.
fn evaluate(expression: &str, scope: &Scope) -> Value {
    expression
        .split(" | ")
        .fold(None, |piped, command| {
            let mut words = command.split_whitespace();
            let first = words.next().expect("a command");
            let mut arguments: Vec<Value> = words.map(|word| operand(word, scope)).collect();
            arguments.extend(piped);
            Some(match first.starts_with(['.', '$']) {
                true => operand(first, scope),
                false => call(first, &arguments),
            })
        })
        .unwrap_or(Value::Null)
}

fn operand(word: &str, scope: &Scope) -> Value {
    if let Some(variable) = scope.variables.get(word) {
        return variable.clone();
    }
    let path = word.strip_prefix('.').unwrap_or_else(|| panic!("{word} is neither a field nor a variable"));
    path.split('.').filter(|name| !name.is_empty()).fold(scope.dot.clone(), |value, name| value[name].clone())
}

fn call(function: &str, arguments: &[Value]) -> Value {
    match (function, arguments) {
        ("toJson", [value]) => Value::from(value.to_string()),
        ("quote", [Value::String(text)]) => Value::from(format!("{text:?}")),
        ("default", [default, value]) => if is_true(value) { value } else { default }.clone(),
        // That there is one and that it changes with the text is all that matters.
        ("sha256sum", [Value::String(text)]) => Value::from(format!("of-{}-octets", text.len())),
        _ => panic!("nobody tries {function} with {arguments:?}"),
    }
}

#[test]
fn actions_are_done_and_white_space_beside_them_goes() {
    let dot = serde_json::json!({"on": true, "off": "", "labels": {"a": "1", "b": "2"}, "list": [1]});
    let rendered = |template: &str| render(template, &dot);
    assert_eq!(rendered("x\n{{- if .on }}\ny\n{{- end }}\nz"), "x\ny\nz");
    assert_eq!(rendered("x\n{{- if .off }}\ny{{ .nothing }}\n{{- end }}\nz"), "x\nz");
    assert_eq!(
        rendered("{{- range $k, $v := .labels }}{{ $k }}={{ $v | quote }};{{- end }}"),
        "a=\"1\";b=\"2\";"
    );
    assert_eq!(
        rendered("{{ with .list }}{{ toJson . }}{{ end }}{{ default .list .off | toJson }}"),
        "[1][1]"
    );
}
