//! Sets of destinations, above all of those a consumer has yet to hear about.

/// A set of destination numbers, taken out in a rotating order so that none waits for ever.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    words: Vec<u64>,
    count: usize,
    cursor: usize,
    /// How often the cursor has started over.
    lap: u32,
}

/// How far taking out had got at some point.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Round {
    lap: u32,
    cursor: usize,
    /// How far there was anything.
    words: usize,
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

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Tells whether a number is in that is not in another set.
    pub(crate) fn exceeds(&self, other: &Self) -> bool {
        self.count > 0 && self.words.iter().enumerate().any(|(word, bits)| bits & !other.word(word) != 0)
    }

    /// Walks the numbers in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        let words = self.words.iter().enumerate().filter(|_| self.count > 0);
        words.filter(|(_, bits)| **bits != 0).flat_map(|(word, &bits)| {
            (0..64).filter(move |bit| bits & 1 << bit != 0).map(move |bit| word as u32 * 64 + bit)
        })
    }

    /// Returns where taking out has got to.
    pub(crate) fn here(&self) -> Round {
        Round { lap: self.lap, cursor: self.cursor, words: self.words.len() }
    }

    /// Tells whether everything that was in at some point has been looked at since.
    pub(crate) fn has_come_round(&self, since: Round) -> bool {
        let laps = self.lap.wrapping_sub(since.lap);
        self.is_empty()
            || laps > 1
            || if since.cursor == 0 {
                laps == 1 || self.cursor >= since.words
            } else {
                laps == 1 && self.cursor > since.cursor
            }
    }

    /// Takes out the next number at or after the cursor, starting over at the end.
    pub(crate) fn take(&mut self) -> Option<u32> {
        self.take_but(&Self::default())
    }

    /// Does the same, and passes over the numbers of another set.
    pub(crate) fn take_but(&mut self, other: &Self) -> Option<u32> {
        if self.count == 0 {
            return None;
        }
        // The word the cursor is at comes first, and last once more: of it some may have been taken.
        for _ in 0..=self.words.len() {
            if self.cursor >= self.words.len() {
                self.cursor = 0;
                self.lap = self.lap.wrapping_add(1);
            }
            let free = self.words[self.cursor] & !other.word(self.cursor);
            if free != 0 {
                let bit = free.trailing_zeros();
                self.words[self.cursor] &= !(1 << bit);
                self.count -= 1;
                return Some(self.cursor as u32 * 64 + bit);
            }
            self.cursor += 1;
        }
        None
    }

    fn word(&self, word: usize) -> u64 {
        self.words.get(word).copied().unwrap_or(0)
    }
}
