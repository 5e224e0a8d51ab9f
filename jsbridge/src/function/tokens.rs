//! A small tokenizer: where in a function's text a name is used.
//!
//! The engine has compiled the text, so it is well formed; which names are free is known from the compiled code. What is
//! missing there is where they are, which a message should say. So this may err (it takes a slash after `)` for a
//! division, which in `if (a) /b/.test(c)` it is not), and then a message has no place or another one; it never fails.

use std::borrow::Cow;

/// A part of a text that is more than white space and comments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Token<'t> {
    kind: Kind,
    text: &'t str,
    /// Where it begins, in bytes.
    at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A name or a keyword.
    Word,
    /// `#name`
    Private,
    /// A number, a string, a regular expression, or a part of a template.
    Literal,
    /// One character.
    Sign,
}

/// Goes through a text.
struct Tokens<'t> {
    text: &'t str,
    at: usize,
    last: Option<Token<'t>>,
    /// How many braces were open where each template that we are in was left for an expression.
    templates: Vec<usize>,
    braces: usize,
}

fn is_word_start(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '$' || c == '\\'
}

fn is_word_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '\\' | '\u{200c}' | '\u{200d}')
}

/// After these words comes a value, so a slash begins a regular expression.
const BEFORE_VALUE: [&str; 14] = [
    "return",
    "typeof",
    "case",
    "in",
    "of",
    "delete",
    "void",
    "throw",
    "new",
    "do",
    "else",
    "instanceof",
    "yield",
    "await",
];

impl<'t> Tokens<'t> {
    fn new(text: &'t str) -> Tokens<'t> {
        Tokens { text, at: 0, last: None, templates: Vec::new(), braces: 0 }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// The length of what begins with `open` and ends with the first `close` after it.
    fn until(&self, open: &str, close: &str) -> usize {
        let rest = self.rest();
        rest[open.len()..].find(close).map_or(rest.len(), |end| open.len() + end + close.len())
    }

    fn skip_space(&mut self) {
        loop {
            let rest = self.rest();
            let space =
                rest.len() - rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}').len();
            self.at += space;
            let rest = self.rest();
            if rest.starts_with("//") {
                self.at += rest.find(['\n', '\r', '\u{2028}', '\u{2029}']).unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                self.at += self.until("/*", "*/");
            } else if space == 0 {
                return;
            }
        }
    }

    /// Does a slash here divide?
    fn slash_divides(&self) -> bool {
        match self.last {
            None => false,
            Some(Token { kind: Kind::Word, text, .. }) => !BEFORE_VALUE.contains(&text),
            Some(Token { kind: Kind::Sign, text, .. }) => matches!(text, ")" | "]" | "}"),
            Some(_) => true,
        }
    }

    /// The length of a string, with its quotes.
    fn string(rest: &str, quote: char) -> usize {
        let mut escaped = false;
        for (at, c) in rest.char_indices().skip(1) {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                c if c == quote || c == '\n' => return at + c.len_utf8(),
                _ => {}
            }
        }
        rest.len()
    }

    /// The length of a regular expression, with its slashes and flags.
    fn pattern(rest: &str) -> usize {
        let (mut escaped, mut in_class) = (false, false);
        for (at, c) in rest.char_indices().skip(1) {
            match c {
                '\n' => return at,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '[' => in_class = true,
                ']' => in_class = false,
                '/' if !in_class => {
                    let flags = &rest[at + 1..];
                    return at + 1 + flags.find(|c: char| !is_word_part(c)).unwrap_or(flags.len());
                }
                _ => {}
            }
        }
        rest.len()
    }

    /// The length of a template's text up to its end or to `${`, from its first character after `` ` `` or `}`.
    fn template(&mut self, rest: &str) -> usize {
        let mut escaped = false;
        for (at, c) in rest.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '`' => return at + 1,
                '$' if rest[at + 1..].starts_with('{') => {
                    self.templates.push(self.braces);
                    return at + 2;
                }
                _ => {}
            }
        }
        rest.len()
    }
}

impl<'t> Iterator for Tokens<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        self.skip_space();
        let rest = self.rest();
        let first = rest.chars().next()?;
        let word = |from: usize| rest[from..].find(|c| !is_word_part(c)).map_or(rest.len(), |end| from + end);
        let (kind, length) = match first {
            '"' | '\'' => (Kind::Literal, Self::string(rest, first)),
            '`' => (Kind::Literal, 1 + self.template(&rest[1..])),
            '}' if self.templates.last() == Some(&self.braces) => {
                self.templates.pop();
                (Kind::Literal, 1 + self.template(&rest[1..]))
            }
            '/' if !self.slash_divides() => (Kind::Literal, Self::pattern(rest)),
            '#' => (Kind::Private, word(1)),
            '0'..='9' => (Kind::Literal, word(0)),
            c if is_word_start(c) => (Kind::Word, word(0)),
            c => {
                match c {
                    '{' => self.braces += 1,
                    '}' => self.braces = self.braces.saturating_sub(1),
                    _ => {}
                }
                (Kind::Sign, c.len_utf8())
            }
        };
        let token = Token { kind, text: &rest[..length], at: self.at };
        self.at += length;
        self.last = Some(token);
        Some(token)
    }
}

/// Where `name` is used first, in bytes. A property (`a.name`, `{ name: 1 }`) is no use.
pub(super) fn find_use(text: &str, name: &str) -> Option<usize> {
    let mut before: [Option<Token<'_>>; 3] = [None; 3];
    let mut tokens = Tokens::new(text).peekable();
    let is = |token: Option<Token<'_>>, sign: &str| token.is_some_and(|token| token.text == sign);
    while let Some(token) = tokens.next() {
        if token.kind == Kind::Word && token.text == name {
            let spread = before.iter().all(|token| is(*token, "."));
            let is_property = is(before[2], ".") && !spread;
            let is_key = (is(before[2], "{") || is(before[2], ","))
                && tokens.peek().is_some_and(|after| after.text == ":");
            if !is_property && !is_key {
                return Some(token.at);
            }
        }
        before = [before[1], before[2], Some(token)];
    }
    None
}

/// Where a private name is, in bytes.
pub(super) fn find_private(text: &str, name: &str) -> Option<usize> {
    Tokens::new(text).find(|token| token.kind == Kind::Private && token.text == name).map(|token| token.at)
}

/// Line and column of a byte, counted from those of the text's beginning.
pub(super) fn place_of(text: &str, at: usize, line: i32, column: i32) -> (i32, i32) {
    let before = &text[..at];
    match before.rfind('\n') {
        None => (line, column.saturating_add(before.chars().count() as i32)),
        Some(newline) => {
            let lines = before.bytes().filter(|&byte| byte == b'\n').count() as i32;
            (line.saturating_add(lines), 1 + before[newline + 1..].chars().count() as i32)
        }
    }
}

/// A method whose name is computed (`[key]() {}`) with another name in its place: the key is no part of the function,
/// and what it is made of may not be there when the text is evaluated again. Of the same length, so that all else is
/// where it was. `None`: there is no such key.
pub(super) fn without_computed_key(text: &str) -> Option<String> {
    let mut tokens = Tokens::new(text);
    let open = loop {
        let token = tokens.next()?;
        match (token.kind, token.text) {
            (Kind::Word, "async" | "get" | "set" | "static") | (Kind::Sign, "*") => {}
            (Kind::Sign, "[") => break token.at,
            _ => return None,
        }
    };
    let mut depth = 1;
    let close = loop {
        let token = tokens.next()?;
        match (token.kind, token.text) {
            (Kind::Sign, "[") => depth += 1,
            (Kind::Sign, "]") => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break token.at;
        }
    };
    // Line ends stay, and of the others as many characters as there were.
    let blank = text[open + 1..close].chars().map(|c| if c == '\n' { c } else { ' ' });
    let mut key: String = blank.collect();
    // There is at least one character, which may be a line end only if there is another.
    let place = key.find(' ').unwrap_or(0);
    key.replace_range(place..=place, "0");
    Some(format!("{}{key}{}", &text[..=open], &text[close..]))
}

/// A static method's text begins with `static`, which is for classes only.
pub(super) fn without_static(text: &str) -> Cow<'_, str> {
    let mut tokens = Tokens::new(text);
    let first = tokens.next();
    let second = tokens.next();
    match (first, second) {
        // A method that is called `static` has its parentheses next.
        (Some(word), Some(next)) if word.text == "static" && next.text != "(" => {
            let rest = &text[word.at + word.text.len()..];
            Cow::Owned(format!("{}      {rest}", &text[..word.at]))
        }
        _ => Cow::Borrowed(text),
    }
}

/// Is it a method rather than a function or a class?
pub(super) fn looks_like_method(text: &str) -> bool {
    let mut tokens = Tokens::new(text);
    let (first, second) = (tokens.next(), tokens.next());
    match first {
        Some(Token { kind: Kind::Word, text: "function" | "class", .. }) => false,
        Some(Token { kind: Kind::Word, text: "async", .. }) => {
            second.is_none_or(|token| !matches!(token.text, "function" | "("))
        }
        // `name =>`
        Some(Token { kind: Kind::Word, .. }) => second.is_none_or(|token| token.text != "="),
        Some(token) => token.text != "(",
        None => false,
    }
}

/// Is it an arrow function? Those have `this` and the like from around them.
pub(super) fn is_arrow(text: &str) -> bool {
    let mut tokens = Tokens::new(text).peekable();
    let is_async = tokens.peek().is_some_and(|token| token.text == "async");
    if is_async {
        tokens.next();
    }
    match tokens.next() {
        Some(open) if open.text == "(" => {
            let mut depth = 1;
            while depth > 0 {
                match tokens.next() {
                    Some(Token { kind: Kind::Sign, text: "(", .. }) => depth += 1,
                    Some(Token { kind: Kind::Sign, text: ")", .. }) => depth -= 1,
                    Some(_) => {}
                    None => return false,
                }
            }
        }
        // The parameter; or one that is called `async`.
        Some(token) if token.kind == Kind::Word => {}
        Some(token) if token.text == "=" && is_async => return true,
        _ => return false,
    }
    tokens.next().is_some_and(|token| token.text == "=")
        && tokens.next().is_some_and(|token| token.text == ">")
}

/// Is it a class, and not a method of that name?
pub(super) fn is_class(text: &str) -> bool {
    let mut tokens = Tokens::new(text);
    tokens.next().is_some_and(|token| token.text == "class")
        && tokens.next().is_some_and(|token| token.text != "(")
}

/// `Base` of `class A extends Base {`, if that is a name and not another expression.
pub(super) fn heritage(text: &str) -> Option<&str> {
    let mut tokens = Tokens::new(text);
    tokens.next().filter(|token| token.text == "class")?;
    let mut token = tokens.next()?;
    if token.text != "extends" {
        token = tokens.next()?;
    }
    if token.text != "extends" {
        return None;
    }
    let base = tokens.next().filter(|token| token.kind == Kind::Word)?;
    tokens.next().filter(|token| token.text == "{").map(|_| base.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_comments_templates_and_patterns_are_passed_over() {
        let find = |text| find_use(text, "k");
        assert_eq!(find("() => k"), Some(6));
        assert_eq!(find("() => 'k' + k"), Some(12));
        assert_eq!(find("() => 'it\\'s k' + \"k\" /* k */ // k\n + k"), Some(38));
        assert_eq!(find("() => `k ${ 'k' } } k ${ k }`"), Some(25));
        assert_eq!(find("() => `${ `${ {a: 1}.a } k` } k ${k}`"), Some(34));
        assert_eq!(find("() => /[/k]k/g.test(k)"), Some(20));
        assert_eq!(find("a => a / k / 2"), Some(9));
        assert_eq!(find("a => (a) / k / 2"), Some(11));
        assert_eq!(find("o => o.k + o?.k + { k: 1, k } . k"), Some(26));
        assert_eq!(find("o => f(...k)"), Some(10));
        assert_eq!(find("o => o ? k : 1"), Some(9));
        assert_eq!(find("() => kk + _k + k$ + \u{e9}k"), None);
        assert_eq!(find_private("o => '#p' + o.#p", "#p"), Some(14));
    }

    #[test]
    fn texts_that_end_in_the_middle_are_no_harm() {
        for text in ["'", "\"a\\", "`${", "`", "/", "/[", "/*", "//", "#", "\\u{", "}}}", "\u{feff}", ""] {
            assert_eq!(find_use(text, "k"), None);
            without_computed_key(text);
            heritage(text);
            without_static(text);
            assert!(!is_arrow(text));
        }
    }

    #[test]
    fn places_are_counted_from_where_the_text_begins() {
        assert_eq!(place_of("() => k", 6, 3, 20), (3, 26));
        assert_eq!(place_of("() =>\n  k", 8, 3, 20), (4, 3));
        assert_eq!(place_of("'\u{e9}' + k", 7, 1, 1), (1, 7));
    }

    #[test]
    fn computed_keys_are_replaced_and_nothing_moves() {
        let fixed = |text| without_computed_key(text);
        assert_eq!(fixed("[a + 'b]']() { return [1] }").unwrap(), "[0       ]() { return [1] }");
        assert_eq!(fixed("async *[x[0]]() {}").unwrap(), "async *[0   ]() {}");
        assert_eq!(fixed("get [\nk]() {}").unwrap(), "get [\n0]() {}");
        assert_eq!(fixed("m() { return [k] }"), None);
        assert_eq!(fixed("async m() {}"), None);
        assert_eq!(without_static("static async m() {}"), "       async m() {}");
        assert_eq!(without_static("static() {}"), "static() {}");
    }

    #[test]
    fn arrow_functions_are_told_from_all_others() {
        for arrow in
            ["() => 1", "a => 1", "async a => 1", "async (a = (1), [b]) => 1", "async => 1", "(a = ')') => 1"]
        {
            assert!(is_arrow(arrow), "{arrow}");
        }
        for other in [
            "function () { return () => 1 }",
            "async function f() {}",
            "m() { a => 1 }",
            "async m() {}",
            "async() {}",
            "get x() {}",
            "*g() {}",
            "class A { f = () => 1 }",
            "[a => 1]() {}",
            "(",
            "",
        ] {
            assert!(!is_arrow(other), "{other}");
        }
    }

    #[test]
    fn the_base_of_a_class_is_found_if_it_is_a_name() {
        assert_eq!(heritage("class A extends B { }"), Some("B"));
        assert_eq!(heritage("class extends B{}"), Some("B"));
        assert_eq!(heritage("class A extends B.C {}"), None);
        assert_eq!(heritage("class A extends f(B) {}"), None);
        assert_eq!(heritage("class A { }"), None);
    }
}
