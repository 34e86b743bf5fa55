//! The grammar of selectors, by recursive descent no deeper than a fixed number of parentheses.

use std::collections::BTreeSet;

use super::lexer::{Token, tokens};
use super::{Expression, Test};

/// The most parentheses within each other. Nobody writes more; a stack overflow would end the daemon.
pub(super) const DEPTH: usize = 32;
/// The most octets of a selector.
const LENGTH: usize = 64 << 10;
/// The most octets of the name of a label.
const NAME: usize = 512;

/// Why a text is no selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// Something else should be there.
    #[error("{wanted} should be at octet {at}, where there is {found}")]
    Unexpected {
        /// The octet, from 0.
        at: usize,
        /// What should be there.
        wanted: &'static str,
        /// What is.
        found: String,
    },
    /// A character that is in no word.
    #[error("{found:?} at octet {at} means nothing outside quotes")]
    Odd {
        /// The octet, from 0.
        at: usize,
        /// The character.
        found: char,
    },
    /// Quotes are not closed.
    #[error("the quote at octet {at} is never closed")]
    Unterminated {
        /// The octet, from 0.
        at: usize,
    },
    /// Too many parentheses within each other.
    #[error("more than {DEPTH} parentheses within each other")]
    TooDeep,
    /// Too long.
    #[error("longer than {LENGTH} octets")]
    TooLong,
}

/// Reads a selector; one that says nothing is true of all.
pub(super) fn parse(text: &str) -> Result<Expression, SelectorError> {
    if text.len() > LENGTH {
        return Err(SelectorError::TooLong);
    }
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Ok(Expression::All);
    }
    let mut parser = Parser { tokens: &tokens, end: text.len() };
    let expression = parser.or(0)?;
    match parser.peek() {
        None => Ok(expression),
        Some(_) => Err(parser.unexpected("`&&`, `||` or the end")),
    }
}

struct Parser<'a> {
    tokens: &'a [(usize, Token<'a>)],
    end: usize,
}

impl<'a> Parser<'a> {
    fn or(&mut self, depth: usize) -> Result<Expression, SelectorError> {
        self.several(Token::Or, Expression::Or, |parser| {
            parser.several(Token::And, Expression::And, |parser| parser.not(depth))
        })
    }

    /// Reads one or more of something with a mark between them.
    fn several(
        &mut self,
        between: Token<'_>,
        together: impl Fn(Vec<Expression>) -> Expression,
        one: impl Fn(&mut Self) -> Result<Expression, SelectorError>,
    ) -> Result<Expression, SelectorError> {
        let first = one(self)?;
        let mut all = vec![first];
        while self.skip(between) {
            all.push(one(self)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { together(all) })
    }

    fn not(&mut self, depth: usize) -> Result<Expression, SelectorError> {
        let mut negated = false;
        while self.skip(Token::Not) {
            negated = !negated;
        }
        let inner = if self.peek() == Some(Token::Open) {
            if depth >= DEPTH {
                return Err(SelectorError::TooDeep);
            }
            self.next();
            let inner = self.or(depth + 1)?;
            self.expect(Token::Close, "`)`")?;
            inner
        } else {
            self.test()?
        };
        Ok(if negated { Expression::Not(Box::new(inner)) } else { inner })
    }

    fn test(&mut self) -> Result<Expression, SelectorError> {
        let word = self.name("a label, `has(`, `all()` or `(`")?;
        match word {
            "all" | "global" if self.skip(Token::Open) => {
                self.expect(Token::Close, "`)`")?;
                Ok(Expression::All)
            }
            "has" if self.skip(Token::Open) => {
                let label = self.name("the name of a label")?;
                self.expect(Token::Close, "`)`")?;
                Ok(Expression::Has(label.to_owned()))
            }
            label => self.comparison(label.to_owned()),
        }
    }

    fn comparison(&mut self, label: String) -> Result<Expression, SelectorError> {
        const OPERATOR: &str = "`==`, `!=`, `in`, `not in`, `contains`, `starts with` or `ends with`";
        let not = |is| Expression::Not(Box::new(is));
        let operator = self.peek().ok_or_else(|| self.unexpected(OPERATOR))?;
        if !matches!(
            operator,
            Token::Equal
                | Token::NotEqual
                | Token::Word(
                    "in" | "not" | "notin" | "contains" | "starts" | "startswith" | "ends" | "endswith"
                )
        ) {
            return Err(self.unexpected(OPERATOR));
        }
        self.next();
        let test = match operator {
            Token::Equal | Token::NotEqual => Test::In(BTreeSet::from([self.text()?])),
            Token::Word("contains") => Test::Contains(self.text()?),
            Token::Word("startswith") => Test::StartsWith(self.text()?),
            Token::Word("endswith") => Test::EndsWith(self.text()?),
            Token::Word("starts") => {
                self.expect(Token::Word("with"), "`with`")?;
                Test::StartsWith(self.text()?)
            }
            Token::Word("ends") => {
                self.expect(Token::Word("with"), "`with`")?;
                Test::EndsWith(self.text()?)
            }
            Token::Word("not") => {
                self.expect(Token::Word("in"), "`in`")?;
                Test::In(self.set()?)
            }
            _ => Test::In(self.set()?),
        };
        let is = Expression::Is(label, test);
        let negated = matches!(operator, Token::NotEqual | Token::Word("not" | "notin"));
        Ok(if negated { not(is) } else { is })
    }

    /// Reads a set; a comma may be after its last member.
    fn set(&mut self) -> Result<BTreeSet<String>, SelectorError> {
        self.expect(Token::OpenSet, "`{`")?;
        let mut set = BTreeSet::new();
        while let Some(Token::Text(text)) = self.peek() {
            self.next();
            set.insert(text.to_owned());
            if !self.skip(Token::Comma) {
                break;
            }
        }
        self.expect(Token::CloseSet, "text in quotes, or `}`")?;
        Ok(set)
    }

    fn text(&mut self) -> Result<String, SelectorError> {
        let Some(Token::Text(text)) = self.peek() else { return Err(self.unexpected("text in quotes")) };
        self.next();
        Ok(text.to_owned())
    }

    fn name(&mut self, wanted: &'static str) -> Result<&'a str, SelectorError> {
        match self.peek() {
            Some(Token::Word(word)) if word.len() <= NAME => {
                self.next();
                Ok(word)
            }
            _ => Err(self.unexpected(wanted)),
        }
    }

    fn expect(&mut self, token: Token<'_>, wanted: &'static str) -> Result<(), SelectorError> {
        if self.skip(token) { Ok(()) } else { Err(self.unexpected(wanted)) }
    }

    fn skip(&mut self, token: Token<'_>) -> bool {
        let there = self.peek() == Some(token);
        if there {
            self.next();
        }
        there
    }

    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.first().map(|(_, token)| *token)
    }

    fn next(&mut self) {
        self.tokens = self.tokens.get(1..).unwrap_or_default();
    }

    fn unexpected(&self, wanted: &'static str) -> SelectorError {
        let (at, found) = match self.tokens.first() {
            Some((at, token)) => (*at, token.to_string()),
            None => (self.end, "the end".to_owned()),
        };
        SelectorError::Unexpected { at, wanted, found }
    }
}
