//! A typed walk over TOML that goes on after a mistake.
//!
//! A derived deserializer stops at the first mistake; an operator wants to hear of all of them. So a
//! [`Table`] hands out its entries one by one, every reader notes what it does not like and returns `None`,
//! and whatever was never asked for is an unknown key. What was asked for is also what is suggested instead.

use std::ops::{Range, RangeInclusive};
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{ConfigError, Problems};

/// A table being read.
pub(super) struct Table<'a> {
    problems: &'a Problems,
    key: String,
    span: Range<usize>,
    /// What the table has; `None` if it is not there.
    entries: Option<&'a DeTable<'a>>,
    /// The path and the entries of the table that has what this one has not.
    beneath: Option<(String, Option<&'a DeTable<'a>>)>,
    asked: Vec<&'static str>,
}

/// A value being read, with the path of its key.
#[derive(Clone)]
pub(super) struct Value<'a> {
    problems: &'a Problems,
    key: String,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Table<'a> {
    /// Starts to read the table of a whole file.
    pub(super) fn root(problems: &'a Problems, table: &'a Spanned<DeTable<'a>>) -> Self {
        let (key, entries) = (String::new(), Some(table.get_ref()));
        Self { problems, key, span: 0..0, entries, beneath: None, asked: Vec::new() }
    }

    /// Starts to read a table of this table that need not be there; then everything in it has its default.
    pub(super) fn table_or_none(&mut self, name: &'static str) -> Option<Self> {
        match self.entry(name) {
            Some(value) => value.table(),
            None => Some(Self {
                problems: self.problems,
                key: self.path(name),
                span: self.span.clone(),
                entries: None,
                beneath: None,
                asked: Vec::new(),
            }),
        }
    }

    /// Returns the value of a key, if the file has it.
    pub(super) fn entry(&mut self, name: &'static str) -> Option<Value<'a>> {
        self.asked.push(name);
        let own = self.entries.and_then(|entries| entries.get(name)).map(|value| self.value(name, value));
        own.or_else(|| {
            let (path, entries) = self.beneath.as_ref()?;
            let value = (*entries)?.get(name)?;
            Some(Value { problems: self.problems, key: format!("{path}.{name}"), value })
        })
    }

    /// Takes what this table does not have from another one.
    pub(super) fn fall_back_on(&mut self, other: &Self) {
        self.beneath = Some((other.key.clone(), other.entries));
    }

    /// Reads the value of a key the file may have.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Value<'a>) -> Option<T>,
    ) -> Option<T> {
        self.entry(name).and_then(|value| read(&value))
    }

    /// Reads the value of a key the file must have.
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        example: &str,
        read: impl FnOnce(&Value<'a>) -> Option<T>,
    ) -> Option<T> {
        match self.entry(name) {
            Some(value) => read(&value),
            None => {
                self.missing(name, &format!("add {name} = {example}"));
                None
            }
        }
    }

    /// Reads a table of this table.
    pub(super) fn table(&mut self, name: &'static str) -> Option<Self> {
        self.optional(name, Value::table)
    }

    /// Notes that a key has no value and none can be guessed.
    pub(super) fn missing(&self, name: &str, hint: &str) {
        self.problems.error(ConfigError {
            key: self.path(name),
            span: self.span.clone(),
            problem: "is missing".to_owned(),
            hint: hint.to_owned(),
            related: None,
        });
    }

    /// Notes that a key is missing that hardly anybody leaves out.
    pub(super) fn odd(&self, name: &str, problem: &str, hint: &str) {
        self.problems.warn(ConfigError {
            key: self.path(name),
            span: self.span.clone(),
            problem: problem.to_owned(),
            hint: hint.to_owned(),
            related: None,
        });
    }

    /// Returns all entries, for tables whose keys are names.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> + use<'_, 'a> {
        let entries = self.entries.into_iter().flatten();
        entries.map(|(name, value)| (name.get_ref().as_ref(), self.value(name.get_ref(), value)))
    }

    /// Ends the reading: whatever was not asked for is unknown.
    pub(super) fn finish(self) {
        let unknown = |name: &str| !self.asked.contains(&name);
        let entries = self.entries.into_iter().flatten();
        for (name, _) in entries.filter(|(name, _)| unknown(name.get_ref())) {
            self.problems.error(ConfigError {
                key: self.path(name.get_ref()),
                span: name.span(),
                problem: "is not a known key".to_owned(),
                hint: suggestion(name.get_ref(), &self.asked),
                related: None,
            });
        }
    }

    fn value(&self, name: &str, value: &'a Spanned<DeValue<'a>>) -> Value<'a> {
        Value { problems: self.problems, key: self.path(name), value }
    }

    fn path(&self, name: &str) -> String {
        if self.key.is_empty() { name.to_owned() } else { format!("{}.{name}", self.key) }
    }
}

impl<'a> Value<'a> {
    /// Notes that the value is wrong.
    pub(super) fn refuse<T>(&self, problem: impl Into<String>, hint: impl Into<String>) -> Option<T> {
        self.problems.error(self.problem(problem, hint));
        None
    }

    /// Notes that the value does not go with another one.
    pub(super) fn refuse_beside<T>(
        &self,
        problem: impl Into<String>,
        hint: impl Into<String>,
        other: Range<usize>,
        why: &'static str,
    ) -> Option<T> {
        self.problems.error(ConfigError { related: Some((other, why)), ..self.problem(problem, hint) });
        None
    }

    /// Notes that the value is allowed but surely not meant.
    pub(super) fn warn(&self, problem: impl Into<String>, hint: impl Into<String>) {
        self.problems.warn(self.problem(problem, hint));
    }

    /// Returns where the value is.
    pub(super) fn span(&self) -> Range<usize> {
        self.value.span()
    }

    /// Reads a text.
    pub(super) fn text(&self) -> Option<&'a str> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(text),
            _ => self.wrong_type("a text in quotes"),
        }
    }

    /// Reads `true` or `false`.
    pub(super) fn flag(&self) -> Option<bool> {
        match self.value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            _ => self.wrong_type("true or false"),
        }
    }

    /// Reads a number within limits.
    pub(super) fn number<T>(&self, limits: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i128> + Into<i128> + Copy,
    {
        let DeValue::Integer(integer) = self.value.get_ref() else {
            return self.wrong_type("a number");
        };
        let number = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
        let (low, high): (i128, i128) = ((*limits.start()).into(), (*limits.end()).into());
        match number
            .filter(|number| (low..=high).contains(number))
            .and_then(|number| T::try_from(number).ok())
        {
            Some(number) => Some(number),
            None => self.refuse(
                format!("{} is out of range", short(&integer.to_string())),
                format!("write a number from {low} to {high}"),
            ),
        }
    }

    /// Tells whether the value is a table, for keys that take tables and something shorter.
    pub(super) fn is_table(&self) -> bool {
        self.value.get_ref().is_table()
    }

    /// Tells whether the value is a text, for keys that take texts and lists.
    pub(super) fn is_text(&self) -> bool {
        self.value.get_ref().is_str()
    }

    /// Tells whether the value is a list, for keys that take lists and texts.
    pub(super) fn is_list(&self) -> bool {
        self.value.get_ref().is_array()
    }

    /// Returns how many mistakes were noted so far, anywhere in the file.
    pub(super) fn mistakes(&self) -> usize {
        self.problems.errors()
    }

    /// Tells whether the value is `true` or `false`, for keys that take more than that.
    pub(super) fn is_flag(&self) -> bool {
        self.value.get_ref().is_bool()
    }

    /// Tells whether the value is a number, for keys that take numbers and texts.
    pub(super) fn is_number(&self) -> bool {
        self.value.get_ref().is_integer()
    }

    /// Reads a text that stands for something else.
    pub(super) fn parse<T: FromStr>(&self, what: &str, example: &str) -> Option<T> {
        let text = self.text()?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(_) => self.refuse(format!("{:?} is not {what}", short(text)), format!("write {example}")),
        }
    }

    /// Reads one of a few words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        if let Some((_, choice)) = choices.iter().find(|(word, _)| *word == text) {
            return Some(*choice);
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        self.refuse(format!("{:?} is not one of the choices", short(text)), suggestion(text, &words))
    }

    /// Reads a list; each item has its own place.
    pub(super) fn items(&self) -> Option<Vec<Self>> {
        let DeValue::Array(array) = self.value.get_ref() else {
            return self.wrong_type("a list in brackets");
        };
        let item =
            |(index, value)| Self { problems: self.problems, key: format!("{}[{index}]", self.key), value };
        Some(array.iter().enumerate().map(item).collect())
    }

    /// Reads a list whose items are all read the same way. Bad items are noted and left out.
    pub(super) fn list<T>(&self, read: impl Fn(&Self) -> Option<T>) -> Option<Vec<T>> {
        Some(self.items()?.iter().filter_map(read).collect())
    }

    /// Reads a table.
    pub(super) fn table(&self) -> Option<Table<'a>> {
        let DeValue::Table(entries) = self.value.get_ref() else {
            return self.wrong_type("a table");
        };
        Some(Table {
            problems: self.problems,
            key: self.key.clone(),
            span: self.span(),
            entries: Some(entries),
            beneath: None,
            asked: Vec::new(),
        })
    }

    fn wrong_type<T>(&self, wanted: &str) -> Option<T> {
        let found = match self.value.get_ref() {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a number",
            DeValue::Float(_) => "a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let hint = match (found, wanted) {
            ("a text", "a number" | "true or false") => "take the quotes away",
            ("a number" | "a date", "a text in quotes") => "put it in quotes",
            ("a text" | "a number", "a list in brackets") => "put it in brackets: [ ... ]",
            _ => "",
        };
        self.refuse(format!("is {found}, expected {wanted}"), hint)
    }

    fn problem(&self, problem: impl Into<String>, hint: impl Into<String>) -> ConfigError {
        ConfigError {
            key: self.key.clone(),
            span: self.span(),
            problem: problem.into(),
            hint: hint.into(),
            related: None,
        }
    }
}

/// Says which word was meant, or what the words are when none is near.
pub(super) fn suggestion(word: &str, words: &[&str]) -> String {
    let near = words.iter().map(|candidate| (distance(word, candidate), candidate)).min();
    match near {
        Some((distance, candidate)) if distance <= 1 + candidate.len() / 4 => {
            format!("did you mean {candidate:?}?")
        }
        _ => format!("expected one of: {}", words.join(", ")),
    }
}

/// Returns at most the first 60 characters of what the file says, for one line of output.
fn short(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// Counts the edits from one word to another (Levenshtein); words of a length nobody mistypes are far away.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().take(64).collect(), right.chars().collect());
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, from) in left.iter().enumerate() {
        let mut diagonal = index;
        let mut last = index + 1;
        for (to, cell) in right.iter().zip(row.iter_mut().skip(1)) {
            let replace = diagonal + usize::from(from != to);
            diagonal = *cell;
            last = replace.min(diagonal + 1).min(last + 1);
            *cell = last;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or(left.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_edits() {
        assert_eq!(distance("hold-time", "hold-time"), 0);
        assert_eq!(distance("holdtime", "hold-time"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
    }

    #[test]
    fn a_near_word_is_suggested_and_otherwise_all_of_them() {
        assert_eq!(suggestion("adress", &["address", "asn"]), "did you mean \"address\"?");
        assert_eq!(suggestion("zzz", &["address", "asn"]), "expected one of: address, asn");
    }
}
