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

#[derive(Debug, PartialEq)]
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
        self.change(|contents| {
            let told = contents.unreadable.remove(&key).is_some();
            if contents.objects.get(&key) == Some(&object) {
                return told;
            }
            contents.objects.insert(key, object);
            true
        });
    }

    /// Changes the list on its way, or else what is in force, and counts if the latter became another.
    fn change(&mut self, change: impl FnOnce(&mut Contents<T>) -> bool) {
        match &mut self.coming {
            Some(coming) => {
                change(coming);
            }
            None => self.revision += u64::from(change(&mut self.current)),
        }
    }

    fn replace(&mut self, contents: Contents<T>, listed: Option<Listed>) {
        if (&contents, listed) != (&self.current, self.listed) {
            self.revision += 1;
        }
        (self.current, self.coming, self.listed) = (contents, None, listed);
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
        self.coming = Some(Contents::default());
    }

    fn delete(&mut self, key: &Key) {
        self.change(|contents| {
            let object = contents.objects.remove(key).is_some();
            contents.unreadable.remove(key).is_some() || object
        });
    }

    fn unreadable(&mut self, key: Key, why: String) {
        self.change(|contents| {
            let object = contents.objects.remove(&key).is_some();
            contents.unreadable.insert(key, why.clone()) != Some(why) || object
        });
    }

    fn end(&mut self) {
        match self.coming.take() {
            Some(coming) => self.replace(coming, Some(Listed::Complete)),
            None if self.listed == Some(Listed::Complete) => {}
            None => {
                self.listed = Some(Listed::Complete);
                self.revision += 1;
            }
        }
    }

    fn absent(&mut self) {
        self.replace(Contents::default(), Some(Listed::Absent));
    }

    fn forget(&mut self) {
        self.replace(Contents::default(), None);
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
