//! The objects as one run leaves them to the next.

/// Makes what is saved of every table.
macro_rules! saved {
    ($($table:ident: $stored:ty,)*) => {
        /// The objects of a cluster as they are written down. Secrets are among them: keep it where only root reads.
        #[derive(Debug, serde::Serialize)]
        pub struct Saving<'a> {
            node: &'a str,
            absent_secrets: &'a std::collections::BTreeSet<$crate::object::Key>,
            $($table: &'a $crate::store::Table<$stored>,)*
        }

        /// The objects of a cluster as they were written down. A kind that is not among them was never listed.
        #[derive(Debug, serde::Deserialize)]
        #[serde(default)]
        #[derive(Default)]
        pub struct Saved {
            node: String,
            absent_secrets: std::collections::BTreeSet<$crate::object::Key>,
            $($table: $crate::store::Table<$stored>,)*
        }

        impl Objects {
            /// Returns the objects to be written down.
            #[must_use]
            pub fn save(&self) -> Saving<'_> {
                Saving { node: &self.node, absent_secrets: &self.absent_secrets, $($table: &self.$table,)* }
            }

            /// Takes over what was written down, as far as nothing newer is known. What another node wrote down says
            /// nothing here.
            pub fn restore(&mut self, saved: Saved) {
                if saved.node == self.node {
                    self.absent_secrets.extend(saved.absent_secrets);
                    $(self.$table.restore(saved.$table);)*
                }
            }
        }
    };
}

pub(super) use saved;
