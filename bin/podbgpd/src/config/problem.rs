//! Mistakes, and how they are shown.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// The most problems of a kind that are shown with the lines they are in; nobody reads more at once.
const SHOWN: usize = 100;

/// A mistake in the file, or something in it that is allowed but surely not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The path of the key, such as `peer[1].hold-time`; empty when the file is no TOML at all.
    pub key: String,
    /// The octets of the file that are wrong.
    pub span: Range<usize>,
    /// What is wrong.
    pub problem: String,
    /// What to write instead; may be empty.
    pub hint: String,
    /// Another place that has to do with it, and why.
    pub related: Option<(Range<usize>, &'static str)>,
}

/// What is wrong with a file, all of it, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistakes {
    /// The file as the operator named it.
    pub file: String,
    /// What the file says.
    pub text: String,
    /// What must be corrected.
    pub errors: Vec<ConfigError>,
    /// What is allowed but surely not meant.
    pub warnings: Vec<ConfigError>,
}

/// Collects problems while the file is read, so that reading goes on after each.
#[derive(Default)]
pub(super) struct Problems {
    errors: RefCell<Vec<ConfigError>>,
    warnings: RefCell<Vec<ConfigError>>,
}

impl Problems {
    /// Notes a mistake.
    pub(super) fn error(&self, error: ConfigError) {
        self.errors.borrow_mut().push(error);
    }

    /// Notes something odd.
    pub(super) fn warn(&self, warning: ConfigError) {
        self.warnings.borrow_mut().push(warning);
    }

    /// Returns how many mistakes were noted.
    pub(super) fn errors(&self) -> usize {
        self.errors.borrow().len()
    }

    /// Tells what was wrong with the text of a file.
    pub(super) fn into_mistakes(self, file: &str, text: &str) -> Mistakes {
        let (mut errors, mut warnings) = (self.errors.into_inner(), self.warnings.into_inner());
        for problems in [&mut errors, &mut warnings] {
            problems.sort_by_key(|problem| problem.span.start);
            // What several peers have of one template is wrong once.
            let mut seen = BTreeSet::new();
            problems.retain(|problem| {
                seen.insert((problem.span.start, problem.key.clone(), problem.problem.clone()))
            });
        }
        Mistakes { file: file.to_owned(), text: text.to_owned(), errors, warnings }
    }
}

impl Mistakes {
    /// Renders the problems with the lines of the file it is in, as compilers do.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let mut page = String::new();
        for (level, problems) in [(Level::ERROR, &self.errors), (Level::WARNING, &self.warnings)] {
            for problem in problems.iter().take(SHOWN) {
                page.push_str(&self.render_one(&renderer, level.clone(), problem));
                page.push_str("\n\n");
            }
            if problems.len() > SHOWN {
                page.push_str(&format!("and {} more\n\n", problems.len() - SHOWN));
            }
        }
        page
    }

    /// Returns a line for each problem, errors first, for logs and replies:
    /// `FILE:LINE:COLUMN: KEY: PROBLEM (HINT)`.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.errors.iter().chain(&self.warnings).map(|problem| self.line(problem))
    }

    /// Returns the line and the column of an octet, both from one; the column counts characters.
    #[must_use]
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..self.boundary(offset)).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        (before.matches('\n').count() + 1, line.chars().count() + 1)
    }

    fn line(&self, problem: &ConfigError) -> String {
        let (line, column) = self.position(problem.span.start);
        let hint = if problem.hint.is_empty() { String::new() } else { format!(" ({})", problem.hint) };
        format!("{}:{line}:{column}: {}{hint}", self.file, problem.title())
    }

    fn render_one(&self, renderer: &Renderer, level: Level<'_>, problem: &ConfigError) -> String {
        let mut snippet = Snippet::source(self.text.as_str())
            .path(self.file.as_str())
            .annotation(AnnotationKind::Primary.span(self.within(&problem.span)));
        if let Some((span, why)) = &problem.related {
            snippet = snippet.annotation(AnnotationKind::Context.span(self.within(span)).label(*why));
        }
        let mut group = level.primary_title(problem.title()).element(snippet);
        if !problem.hint.is_empty() {
            group = group.element(Level::HELP.message(problem.hint.as_str()));
        }
        renderer.render(&[group])
    }

    /// Returns the span with both ends inside the text and between characters.
    fn within(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.boundary(span.start);
        start..self.boundary(span.end).max(start)
    }

    fn boundary(&self, offset: usize) -> usize {
        self.text.floor_char_boundary(offset)
    }
}

impl ConfigError {
    fn title(&self) -> String {
        if self.key.is_empty() { self.problem.clone() } else { format!("{}: {}", self.key, self.problem) }
    }
}

impl fmt::Display for Mistakes {
    /// Renders the errors a line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.errors.iter().map(|error| self.line(error)).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Mistakes {}
