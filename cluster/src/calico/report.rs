//! What is wrong with objects, each thing said once.

use std::collections::BTreeSet;

use crate::event::Kind;
use crate::object::Key;
use crate::object::calico::Unknown;
use crate::plan::Problem;

/// What is wrong with objects.
#[derive(Debug, Default)]
pub(crate) struct Report(BTreeSet<Problem>);

impl Report {
    /// Takes note of something wrong with a field of an object.
    pub(super) fn add(
        &mut self,
        kind: Kind,
        object: &Key,
        field: impl Into<String>,
        problem: impl Into<String>,
    ) {
        let (object, field, problem) = (object.clone(), field.into(), problem.into());
        self.0.insert(Problem { kind, object, field, problem });
    }

    /// Returns what was read of a field, or takes note of why there is nothing.
    pub(super) fn take<T>(
        &mut self,
        kind: Kind,
        object: &Key,
        field: &str,
        read: Result<T, String>,
    ) -> Option<T> {
        read.map_err(|problem| self.add(kind, object, field, problem)).ok()
    }

    /// Takes note of fields this version does not know.
    pub(super) fn unknown(&mut self, kind: Kind, object: &Key, fields: &Unknown) {
        for field in fields.keys() {
            self.add(kind, object, format!("spec.{field}"), "is not known to this version and has no effect");
        }
    }

    /// Returns all of it, in order.
    pub(super) fn into_problems(self) -> impl Iterator<Item = Problem> {
        self.0.into_iter()
    }
}
