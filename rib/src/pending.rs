//! Sets of destinations, above all of those a consumer has yet to hear about.

/// A set of destination numbers, taken out in a rotating order so that none waits for ever.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    words: Vec<u64>,
    count: usize,
    cursor: usize,
    wrapped: bool,
}

impl Pending {
    pub(crate) fn insert(&mut self, id: u32) {
        let word = id as usize / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let bit = 1 << (id % 64);
        self.count += usize::from(self.words[word] & bit == 0);
        self.words[word] |= bit;
    }

    /// Takes a number out; tells whether it was in.
    pub(crate) fn remove(&mut self, id: u32) -> bool {
        let was_in = self.contains(id);
        if was_in {
            self.words[id as usize / 64] &= !(1 << (id % 64));
            self.count -= 1;
        }
        was_in
    }

    pub(crate) fn contains(&self, id: u32) -> bool {
        self.words.get(id as usize / 64).is_some_and(|word| word & 1 << (id % 64) != 0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Tells whether the cursor has gone past every number below a bound, at least once.
    pub(crate) fn has_passed(&self, bound: u32) -> bool {
        self.wrapped || self.cursor as u64 * 64 >= u64::from(bound)
    }

    /// Takes out the next number at or after the cursor, starting over at the end.
    pub(crate) fn take(&mut self) -> Option<u32> {
        if self.count == 0 {
            return None;
        }
        loop {
            match self.words.get_mut(self.cursor) {
                None => {
                    self.cursor = 0;
                    self.wrapped = true;
                }
                Some(0) => self.cursor += 1,
                Some(word) => {
                    let bit = word.trailing_zeros();
                    *word &= *word - 1;
                    self.count -= 1;
                    return Some(self.cursor as u32 * 64 + bit);
                }
            }
        }
    }
}
