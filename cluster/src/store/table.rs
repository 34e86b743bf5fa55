//! The objects of one kind.

use std::collections::BTreeMap;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::object::Key;

/// The objects of one kind, by name.
#[derive(Debug)]
pub struct Table<T> {
    current: Contents<T>,
    /// A list that is not complete yet.
    coming: Option<Contents<T>>,
    listed: Option<Listed>,
}

/// How complete what is known of a kind is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Listed {
    /// There was a complete list.
    Complete,
    /// The server does not know the kind.
    Absent,
}

#[derive(Debug)]
struct Contents<T> {
    objects: BTreeMap<Key, T>,
    /// What is there and cannot be read, and why.
    unreadable: BTreeMap<Key, String>,
}

impl<T> Table<T> {
    /// Returns the object of that name.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&T> {
        self.current.objects.get(key)
    }

    /// Returns the objects in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &T)> {
        self.current.objects.iter()
    }

    pub(super) fn apply(&mut self, key: Key, object: T) {
        let contents = self.coming.as_mut().unwrap_or(&mut self.current);
        contents.unreadable.remove(&key);
        contents.objects.insert(key, object);
    }

    /// Takes over what was saved, unless something newer is known.
    pub(super) fn restore(&mut self, saved: Self) {
        if self.listed.is_none() {
            (self.current, self.listed) = (saved.current, saved.listed);
        }
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { current: Contents::default(), coming: None, listed: None }
    }
}

impl<T> Default for Contents<T> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), unreadable: BTreeMap::new() }
    }
}

/// What can be done with a table whatever is in it.
pub(super) trait AnyTable {
    fn begin(&mut self);
    fn delete(&mut self, key: &Key);
    fn unreadable(&mut self, key: Key, why: String);
    fn end(&mut self);
    fn absent(&mut self);
    fn forget(&mut self);
    fn listed(&self) -> Option<Listed>;
    fn len(&self) -> usize;
    fn problems(&self, tell: &mut dyn FnMut(&Key, &str));
}

impl<T> AnyTable for Table<T> {
    fn begin(&mut self) {
        self.coming = Some(Contents::default());
    }

    fn delete(&mut self, key: &Key) {
        let contents = self.coming.as_mut().unwrap_or(&mut self.current);
        contents.objects.remove(key);
        contents.unreadable.remove(key);
    }

    fn unreadable(&mut self, key: Key, why: String) {
        let contents = self.coming.as_mut().unwrap_or(&mut self.current);
        contents.objects.remove(&key);
        contents.unreadable.insert(key, why);
    }

    fn end(&mut self) {
        if let Some(coming) = self.coming.take() {
            self.current = coming;
        }
        self.listed = Some(Listed::Complete);
    }

    fn absent(&mut self) {
        *self = Self { listed: Some(Listed::Absent), ..Self::default() };
    }

    fn forget(&mut self) {
        *self = Self::default();
    }

    fn len(&self) -> usize {
        self.current.objects.len()
    }

    fn listed(&self) -> Option<Listed> {
        self.listed
    }

    fn problems(&self, tell: &mut dyn FnMut(&Key, &str)) {
        self.current.unreadable.iter().for_each(|(key, why)| tell(key, why));
    }
}

impl<T: Serialize> Serialize for Table<T> {
    /// Writes what is in force, not a list on its way.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Pairs<'a, T>(&'a BTreeMap<Key, T>);
        impl<T: Serialize> Serialize for Pairs<'_, T> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_seq(self.0)
            }
        }
        let mut fields = serializer.serialize_struct("Table", 2)?;
        fields.serialize_field("listed", &self.listed)?;
        fields.serialize_field("objects", &Pairs(&self.current.objects))?;
        fields.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields<T> {
            listed: Option<Listed>,
            objects: Vec<(Key, T)>,
        }
        let Fields { listed, objects } = Fields::deserialize(deserializer)?;
        let current = Contents { objects: objects.into_iter().collect(), unreadable: BTreeMap::new() };
        Ok(Self { current, coming: None, listed })
    }
}
