//! The objects of one kind.

use std::collections::{BTreeMap, BTreeSet};

use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::object::Key;

/// The objects of one kind, by name.
#[derive(Debug)]
pub struct Table<T> {
    current: Contents<T>,
    /// A list that is not complete yet.
    coming: Option<Coming<T>>,
    listed: Option<Listed>,
    /// How often what is in force became another.
    revision: u64,
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

/// A list on its way. What it says as it is known is not kept twice: a relist says nothing else, of thousands of objects.
#[derive(Debug)]
struct Coming<T> {
    /// What is new or otherwise than it is in force.
    news: Contents<T>,
    /// What is as it is in force.
    kept: BTreeSet<Key>,
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

    /// Takes over what was saved, unless something newer is known.
    pub(super) fn restore(&mut self, saved: Self) {
        if self.listed.is_none() {
            (self.current, self.listed) = (saved.current, saved.listed);
            self.revision += 1;
        }
    }
}

impl<T: PartialEq> Table<T> {
    /// Forgets the objects that are not wanted.
    pub(super) fn retain(&mut self, wanted: impl Fn(&Key) -> bool) {
        self.current.objects.retain(|key, _| wanted(key));
    }

    pub(super) fn apply(&mut self, key: Key, object: T) {
        let known = self.current.objects.get(&key) == Some(&object);
        match &mut self.coming {
            Some(coming) => {
                coming.forget(&key);
                if known {
                    coming.kept.insert(key);
                } else {
                    coming.news.objects.insert(key, object);
                }
            }
            None => {
                let told = self.current.unreadable.remove(&key).is_some();
                if !known {
                    self.current.objects.insert(key, object);
                }
                self.revision += u64::from(told || !known);
            }
        }
    }
}

impl<T> Table<T> {
    /// Goes over to a table without objects.
    fn replace(&mut self, listed: Option<Listed>) {
        let is_empty = self.current.objects.is_empty() && self.current.unreadable.is_empty();
        let changed = !is_empty || listed != self.listed;
        *self = Self { listed, revision: self.revision + u64::from(changed), ..Self::default() };
    }
}

impl<T> Coming<T> {
    fn forget(&mut self, key: &Key) {
        self.kept.remove(key);
        self.news.forget(key);
    }
}

impl<T> Contents<T> {
    /// Forgets an object, and tells whether there was one.
    fn forget(&mut self, key: &Key) -> bool {
        let object = self.objects.remove(key).is_some();
        self.unreadable.remove(key).is_some() || object
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { current: Contents::default(), coming: None, listed: None, revision: 0 }
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
    fn revision(&self) -> u64;
    fn problems(&self, tell: &mut dyn FnMut(&Key, &str));
}

impl<T: PartialEq> AnyTable for Table<T> {
    fn begin(&mut self) {
        self.coming = Some(Coming { news: Contents::default(), kept: BTreeSet::new() });
    }

    fn delete(&mut self, key: &Key) {
        match &mut self.coming {
            Some(coming) => coming.forget(key),
            None => self.revision += u64::from(self.current.forget(key)),
        }
    }

    fn unreadable(&mut self, key: Key, why: String) {
        match &mut self.coming {
            Some(coming) => {
                coming.forget(&key);
                coming.news.unreadable.insert(key, why);
            }
            None => {
                let known = self.current.unreadable.get(&key) == Some(&why);
                self.current.forget(&key);
                self.current.unreadable.insert(key, why);
                self.revision += u64::from(!known);
            }
        }
    }

    fn end(&mut self) {
        let mut changed = self.listed.replace(Listed::Complete) != Some(Listed::Complete);
        if let Some(Coming { news, kept }) = self.coming.take() {
            changed |= kept.len() != self.current.objects.len() || !news.objects.is_empty();
            changed |= news.unreadable != self.current.unreadable;
            self.current.objects.retain(|key, _| kept.contains(key));
            self.current.objects.extend(news.objects);
            self.current.unreadable = news.unreadable;
        }
        self.revision += u64::from(changed);
    }

    fn absent(&mut self) {
        self.replace(Some(Listed::Absent));
    }

    fn forget(&mut self) {
        self.replace(None);
    }

    fn len(&self) -> usize {
        self.current.objects.len()
    }

    fn listed(&self) -> Option<Listed> {
        self.listed
    }

    fn revision(&self) -> u64 {
        self.revision
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
        Ok(Self { current, listed, ..Self::default() })
    }
}
