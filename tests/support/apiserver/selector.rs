//! Label and field selectors, as the server takes them.

use serde_json::Value;

/// Which objects of a collection are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selector {
    fields: Vec<(String, String)>,
    labels: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    /// An object without the label is as good.
    NotIn(String, Vec<String>),
    Exists(String),
    DoesNotExist(String),
}

impl Selector {
    /// Reads the two selectors of a query.
    pub(super) fn read(fields: &str, labels: &str) -> Result<Self, String> {
        let fields = fields.split(',').filter(|term| !term.is_empty()).map(|term| {
            let (path, value) = term.split_once('=').ok_or_else(|| format!("field selector {term}"))?;
            match path {
                "metadata.name" | "metadata.namespace" => {
                    Ok((path.to_owned(), value.trim_start_matches('=').to_owned()))
                }
                _ => Err(format!("field label not supported: {path}")),
            }
        });
        let labels = terms(labels).into_iter().map(|term| requirement(term.trim()));
        Ok(Self { fields: fields.collect::<Result<_, _>>()?, labels: labels.collect::<Result<_, _>>()? })
    }

    /// Tells whether an object is wanted.
    pub(super) fn takes(&self, object: &Value) -> bool {
        let metadata = &object["metadata"];
        let label = |key: &str| metadata["labels"].get(key).and_then(Value::as_str);
        let field = |(path, value): &(String, String)| {
            metadata[path.trim_start_matches("metadata.")].as_str().unwrap_or_default() == value
        };
        self.fields.iter().all(field)
            && self.labels.iter().all(|requirement| match requirement {
                Requirement::In(key, values) => {
                    label(key).is_some_and(|label| values.iter().any(|value| value == label))
                }
                Requirement::NotIn(key, values) => {
                    label(key).is_none_or(|label| values.iter().all(|value| value != label))
                }
                Requirement::Exists(key) => label(key).is_some(),
                Requirement::DoesNotExist(key) => label(key).is_none(),
            })
    }
}

/// Splits at the commas outside of parentheses.
fn terms(selector: &str) -> Vec<&str> {
    let (mut terms, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in selector.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                terms.push(&selector[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    terms.push(&selector[start..]);
    terms.retain(|term| !term.trim().is_empty());
    terms
}

fn requirement(term: &str) -> Result<Requirement, String> {
    let set = |rest: &str| -> Result<Vec<String>, String> {
        let inside = rest.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
        let inside = inside.ok_or_else(|| format!("label selector {term}"))?;
        Ok(inside.split(',').map(|value| value.trim().to_owned()).collect())
    };
    if let Some((key, rest)) = term.split_once(" notin ") {
        return Ok(Requirement::NotIn(key.trim().to_owned(), set(rest)?));
    }
    if let Some((key, rest)) = term.split_once(" in ") {
        return Ok(Requirement::In(key.trim().to_owned(), set(rest)?));
    }
    if let Some((key, value)) = term.split_once("!=") {
        return Ok(Requirement::NotIn(key.trim().to_owned(), vec![value.trim().to_owned()]));
    }
    if let Some((key, value)) = term.split_once('=') {
        let value = value.trim_start_matches('=').trim().to_owned();
        return Ok(Requirement::In(key.trim().to_owned(), vec![value]));
    }
    Ok(match term.strip_prefix('!') {
        Some(key) => Requirement::DoesNotExist(key.trim().to_owned()),
        None => Requirement::Exists(term.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_are_the_servers() {
        let object = json!({ "metadata": { "name": "a", "labels": { "x": "1", "y/z": "" } } });
        let takes = |fields: &str, labels: &str| Selector::read(fields, labels).unwrap().takes(&object);
        assert!(takes("", "") && takes("metadata.name=a", "") && !takes("metadata.name=b", ""));
        for labels in ["x", "x=1", "x==1", "x!=2", "x in (1, 2)", "x notin (2),y/z", "!w", "w!=1", "y/z="] {
            assert!(takes("", labels), "{labels}");
        }
        for labels in ["w", "x=2", "x!=1", "x in (2,3)", "x notin (1)", "!x", "x,w"] {
            assert!(!takes("", labels), "{labels}");
        }
        assert!(Selector::read("spec.nodeName=a", "").is_err());
    }
}
