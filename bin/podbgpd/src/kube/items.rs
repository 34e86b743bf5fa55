//! A list of objects, one by one as the octets arrive: a server may answer with all of them at once, and one list of
//! five thousand nodes is a hundred megaoctets.

/// Finds the elements of `items` in a JSON object. Whether they are JSON themselves is for whoever reads them.
#[derive(Debug, Default)]
pub(super) struct Items {
    /// Everything but the elements.
    shell: Vec<u8>,
    element: Vec<u8>,
    depth: u32,
    within: Within,
    in_text: bool,
    escaped: bool,
    /// The last text at the outermost level, as far as that can matter.
    key: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Within {
    #[default]
    Shell,
    Items,
    Element,
}

/// The longest element or shell; the server itself takes no object beyond a few megaoctets.
const LONGEST: usize = 16 << 20;
const KEY: &[u8] = b"items";

/// A list that cannot be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Items {
    /// Takes in octets, and hands over every element that ends in them.
    pub(super) fn feed(&mut self, octets: &[u8], mut each: impl FnMut(&[u8])) -> Result<(), TooLong> {
        for &octet in octets {
            self.take(octet);
            if self.within == Within::Element && self.depth == 2 {
                self.within = Within::Items;
                each(&self.element);
                self.element.clear();
            }
        }
        if self.element.len() > LONGEST || self.shell.len() > LONGEST { Err(TooLong) } else { Ok(()) }
    }

    /// Returns the list without its elements; `None` if it has not come to its end.
    pub(super) fn end(self) -> Option<Vec<u8>> {
        (self.depth == 0 && self.within == Within::Shell && !self.shell.is_empty()).then_some(self.shell)
    }

    fn take(&mut self, octet: u8) {
        let opens = !self.in_text && matches!(octet, b'{' | b'[');
        let closes = !self.in_text && matches!(octet, b'}' | b']');
        if self.within == Within::Items && opens {
            self.within = Within::Element;
        } else if self.within == Within::Items && closes {
            self.within = Within::Shell;
        } else if self.within == Within::Shell && self.depth == 1 && octet == b'[' && opens && self.key == KEY
        {
            self.within = Within::Items;
        }
        self.text(octet);
        match self.within {
            Within::Element => self.element.push(octet),
            Within::Shell => self.shell.push(octet),
            // Its bracket; commas between elements are nobody's.
            Within::Items if opens => self.shell.push(octet),
            Within::Items => {}
        }
        self.depth = match (opens, closes) {
            (true, _) => self.depth.saturating_add(1),
            (_, true) => self.depth.saturating_sub(1),
            _ => self.depth,
        };
    }

    /// Keeps track of texts, whose brackets mean nothing, and of the last key of the list itself.
    fn text(&mut self, octet: u8) {
        let outermost = self.depth == 1;
        match (self.in_text, octet) {
            (true, _) if self.escaped => self.escaped = false,
            (true, b'\\') => self.escaped = true,
            (true, b'"') => self.in_text = false,
            (true, _) if outermost && self.key.len() <= KEY.len() => self.key.push(octet),
            (true, _) => {}
            (false, b'"') => {
                self.in_text = true;
                if outermost {
                    self.key.clear();
                }
            }
            (false, b',') if outermost => self.key.clear(),
            (false, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str, chunk: usize) -> (Vec<String>, Option<String>) {
        let (mut items, mut found) = (Items::default(), Vec::new());
        for octets in json.as_bytes().chunks(chunk) {
            items.feed(octets, |element| found.push(String::from_utf8(element.to_vec()).unwrap())).unwrap();
        }
        (found, items.end().map(|shell| String::from_utf8(shell).unwrap()))
    }

    #[test]
    fn elements_come_one_by_one_however_the_octets_are_cut() {
        let json = r#"{"kind":"items","metadata":{"items":[{"no":1}]},"items":[{"a":"]}\"{"}, {"b":[{"c":{}}]}],"z":[1]}"#;
        for chunk in 1..=json.len() {
            let (found, shell) = read(json, chunk);
            assert_eq!(found, [r#"{"a":"]}\"{"}"#, r#"{"b":[{"c":{}}]}"#], "in pieces of {chunk}");
            let shell = shell.expect("the list is complete");
            assert_eq!(shell, r#"{"kind":"items","metadata":{"items":[{"no":1}]},"items":[],"z":[1]}"#);
        }
    }

    #[test]
    fn a_list_may_be_empty_or_null() {
        assert_eq!(read(r#"{"items":[]}"#, 3), (vec![], Some(r#"{"items":[]}"#.to_owned())));
        assert_eq!(read(r#"{"items":null}"#, 3), (vec![], Some(r#"{"items":null}"#.to_owned())));
    }

    #[test]
    fn a_list_that_was_cut_has_no_end() {
        let json = r#"{"items":[{"a":1}]}"#;
        for length in 0..json.len() {
            assert_eq!(read(&json[..length], 64).1, None, "{}", &json[..length]);
        }
    }

    #[test]
    fn a_list_without_an_end_is_not_kept_for_ever() {
        let mut items = Items::default();
        let endless = [b'['; 1 << 20];
        assert!((0..20).any(|_| items.feed(&endless, |_| ()).is_err()));
    }
}
