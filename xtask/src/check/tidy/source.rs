//! A Rust file taken apart: what is code, what is a comment, and what is only for tests.

use std::iter::Peekable;
use std::str::Chars;

#[derive(Debug)]
pub(super) struct Source {
    /// Relative to the workspace, with slashes.
    pub(super) path: String,
    pub(super) lines: Vec<Line>,
    /// Whether the whole file is for tests.
    pub(super) is_test: bool,
    /// Whether it belongs to a published crate.
    pub(super) is_published: bool,
}

#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) raw: String,
    /// Without comments and without what is in strings.
    pub(super) code: String,
    pub(super) comment: String,
    /// Part of an item under `#[cfg(test)]`.
    pub(super) is_test: bool,
}

impl Source {
    pub(super) fn parse(path: &str, text: &str, is_published: bool) -> Self {
        let (code, comments) = split(text);
        let lines = text.lines().zip(code.lines().zip(comments.lines()));
        let lines = lines.map(|(raw, (code, comment))| Line {
            raw: raw.to_owned(),
            code: code.to_owned(),
            comment: comment.to_owned(),
            is_test: false,
        });
        let mut source = Self {
            path: path.to_owned(),
            lines: lines.collect(),
            is_test: is_test_path(path),
            is_published,
        };
        source.mark_tests();
        source
    }

    /// The lines that end up in a program, with their numbers from 1 on.
    pub(super) fn shipped(&self) -> impl Iterator<Item = (usize, &Line)> {
        self.numbered()
            .filter(|(_, line)| !self.is_test && !line.is_test)
    }

    pub(super) fn numbered(&self) -> impl Iterator<Item = (usize, &Line)> {
        self.lines
            .iter()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }

    /// The last line of the item that starts at `start`, both counted from 0: its closing brace,
    /// or its semicolon if that comes before any brace.
    pub(super) fn end_of_item(&self, start: usize) -> usize {
        let mut depth = 0_u32;
        for (index, line) in self.lines.iter().enumerate().skip(start) {
            for c in line.code.chars() {
                match c {
                    '{' | '(' | '[' => depth += 1,
                    '}' | ')' | ']' => {
                        depth = depth.saturating_sub(1);
                        if depth == 0 && c == '}' {
                            return index;
                        }
                    }
                    ';' if depth == 0 => return index,
                    _ => {}
                }
            }
        }
        self.lines.len().saturating_sub(1)
    }

    fn mark_tests(&mut self) {
        let mut index = 0;
        while index < self.lines.len() {
            let code = self.lines[index].code.trim();
            let end = if code.starts_with("#[cfg(test)]") || code.starts_with("#[cfg(all(test") {
                self.end_of_item(index)
            } else {
                index += 1;
                continue;
            };
            for line in &mut self.lines[index..=end] {
                line.is_test = true;
            }
            index = end + 1;
        }
    }
}

fn is_test_path(path: &str) -> bool {
    let mut parts = path.rsplit('/');
    let file = parts.next().unwrap_or_default();
    file == "tests.rs"
        || file.ends_with("_tests.rs")
        || parts.any(|part| ["tests", "benches", "examples", "fuzz"].contains(&part))
}

/// The text twice, line by line as it was: once the code, once the comments.
fn split(text: &str) -> (String, String) {
    let mut splitter = Splitter {
        chars: text.chars().peekable(),
        code: String::with_capacity(text.len()),
        comments: String::new(),
    };
    splitter.run();
    (splitter.code, splitter.comments)
}

struct Splitter<'a> {
    chars: Peekable<Chars<'a>>,
    code: String,
    comments: String,
}

impl Splitter<'_> {
    fn run(&mut self) {
        let mut before = ' ';
        while let Some(c) = self.chars.next() {
            match c {
                '/' if self.chars.peek() == Some(&'/') => self.line_comment(),
                '/' if self.chars.peek() == Some(&'*') => self.block_comment(),
                '"' => self.string(),
                // Not the end of a name, as in `for"`.
                'r' if !before.is_alphanumeric() && before != '_' => self.perhaps_raw_string(),
                '\'' => self.char_or_lifetime(),
                _ => self.push_code(c),
            }
            before = c;
        }
    }

    fn push_code(&mut self, c: char) {
        self.code.push(c);
        if c == '\n' {
            self.comments.push(c);
        }
    }

    fn push_comment(&mut self, c: char) {
        self.comments.push(c);
        if c == '\n' {
            self.code.push(c);
        }
    }

    /// Something in a string: only its line breaks are kept.
    fn push_nothing(&mut self, c: char) {
        if c == '\n' {
            self.push_code(c);
        }
    }

    fn line_comment(&mut self) {
        while let Some(c) = self.chars.next_if(|c| *c != '\n') {
            self.push_comment(c);
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 1;
        let mut before = self.chars.next().unwrap_or_default();
        while depth > 0 {
            let Some(c) = self.chars.next() else { return };
            self.push_comment(c);
            match (before, c) {
                ('*', '/') => depth -= 1,
                ('/', '*') => depth += 1,
                _ => {
                    before = c;
                    continue;
                }
            }
            before = ' ';
        }
    }

    fn string(&mut self) {
        self.code.push('"');
        while let Some(c) = self.chars.next() {
            match c {
                '\\' => {
                    let escaped = self.chars.next().unwrap_or_default();
                    self.push_nothing(escaped);
                }
                '"' => break,
                _ => self.push_nothing(c),
            }
        }
        self.code.push('"');
    }

    fn perhaps_raw_string(&mut self) {
        self.code.push('r');
        let mut hashes = 0;
        while self.chars.next_if_eq(&'#').is_some() {
            hashes += 1;
        }
        if self.chars.next_if_eq(&'"').is_none() {
            // `r#type`, or a name that starts with an r.
            return;
        }
        self.code.push_str("\"\"");
        let mut closing = None;
        for c in self.chars.by_ref() {
            closing = match (c, closing) {
                ('"', _) => Some(0),
                ('#', Some(count)) => Some(count + 1),
                _ => None,
            };
            if c == '\n' {
                self.code.push(c);
                self.comments.push(c);
            }
            if closing == Some(hashes) {
                return;
            }
        }
    }

    /// `'x'` and `'\n'` are characters, `'a` in `&'a str` is none.
    fn char_or_lifetime(&mut self) {
        self.code.push('\'');
        if self.chars.next_if_eq(&'\\').is_some() {
            self.chars.next();
            while self.chars.next().is_some_and(|c| c != '\'') {}
            return;
        }
        let mut ahead = self.chars.clone();
        let first = ahead.next();
        if first.is_some() && ahead.next() == Some('\'') {
            self.chars.next();
            self.chars.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_no_code() {
        let table = [
            ("let a = 1; // x", "let a = 1; ", "/ x"),
            ("f(\"// no\"); /* yes */ g()", "f(\"\");  g()", " yes */"),
            ("/* a /* b */ c */ d", " d", " a /* b */ c */"),
            ("r#\"un\"wrap\"#; x", "r\"\"; x", ""),
            ("for r in 'a'..='z' {}", "for r in '..=' {}", ""),
            (
                "fn f<'a>(x: &'a str, q: '\\'') {}",
                "fn f<'a>(x: &'a str, q: ') {}",
                "",
            ),
            ("\"a \\\" b\" + c", "\"\" + c", ""),
        ];
        for (text, code, comments) in table {
            assert_eq!(
                split(text),
                (code.to_owned(), comments.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn lines_stay_where_they_are() {
        let text = "a\n/* b\nc */ d\nlet s = \"x\ny\";\nr\"\n\";\ne\n";
        let (code, comments) = split(text);
        assert_eq!(code.lines().count(), text.lines().count(), "{code:?}");
        assert_eq!(
            comments.matches('\n').count(),
            text.matches('\n').count(),
            "{comments:?}"
        );
        assert!(code.ends_with("\ne\n"), "{code:?}");
    }

    #[test]
    fn what_is_under_cfg_test_does_not_ship() {
        let text = "fn a() {}\n#[cfg(test)]\nmod scratch;\nfn b() {}\n#[cfg(all(test, model))]\nmod loom_tests {\n    fn c() {}\n}\nfn d() {}\n";
        let source = Source::parse("crates/x/src/y.rs", text, true);
        let shipped: Vec<&str> = source
            .shipped()
            .map(|(_, line)| line.raw.as_str())
            .collect();
        assert_eq!(shipped, ["fn a() {}", "fn b() {}", "fn d() {}"]);
        for path in [
            "crates/x/tests/a/b.rs",
            "crates/x/src/a/tests.rs",
            "crates/x/examples/a.rs",
        ] {
            assert_eq!(
                Source::parse(path, text, true).shipped().count(),
                0,
                "{path}"
            );
        }
    }
}
