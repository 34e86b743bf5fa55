//! A number for each destination, in pages: most consumers know of most destinations, or of hardly any.

use crate::path::Slot;
use crate::pool::AttrId;

const PAGE: usize = 256;

/// What has a value that stands for none.
pub(crate) trait Absent: Copy + PartialEq {
    /// That value.
    const ABSENT: Self;
}

impl Absent for AttrId {
    const ABSENT: Self = Self::NONE;
}

impl Absent for Slot {
    const ABSENT: Self = Self::LOCAL;
}

/// Destination number to value. A page nothing was ever put into takes no room.
#[derive(Clone)]
pub(crate) struct Pages<T>(Vec<Option<Box<[T; PAGE]>>>);

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Absent> Pages<T> {
    pub(crate) fn get(&self, id: u32) -> T {
        let page = self.0.get(id as usize / PAGE).and_then(Option::as_ref);
        page.map_or(T::ABSENT, |page| page[id as usize % PAGE])
    }

    /// Puts a value in and returns the one before.
    pub(crate) fn set(&mut self, id: u32, value: T) -> T {
        let index = id as usize / PAGE;
        if index >= self.0.len() {
            if value == T::ABSENT {
                return value;
            }
            self.0.resize(index + 1, None);
        }
        let place = &mut self.0[index];
        if place.is_none() && value == T::ABSENT {
            return value;
        }
        let page = place.get_or_insert_with(|| Box::new([T::ABSENT; PAGE]));
        std::mem::replace(&mut page[id as usize % PAGE], value)
    }

    /// Walks the destinations that have a value.
    pub(crate) fn occupied(&self) -> impl Iterator<Item = (u32, T)> {
        let pages = self.0.iter().enumerate();
        let present = pages.filter_map(|(index, page)| page.as_ref().map(|page| (index, page)));
        let all = present.flat_map(|(index, page)| {
            page.iter().enumerate().map(move |(offset, &value)| ((index * PAGE + offset) as u32, value))
        });
        all.filter(|(_, value)| *value != T::ABSENT)
    }
}
