//! Just enough of TOML to read the manifests of this workspace.

use std::path::Path;

/// The `key = value` lines of a manifest, each with its section.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    entries: Vec<Entry>,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) section: String,
    pub(crate) key: String,
    /// As written: with its quotes, its brackets and what is in them.
    pub(crate) value: String,
}

impl Manifest {
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        std::fs::read_to_string(path)
            .map(|text| Self::parse(&text))
            .map_err(|error| format!("{}: {error}", path.display()))
    }

    pub(crate) fn parse(text: &str) -> Self {
        let mut section = String::new();
        let mut entries: Vec<Entry> = Vec::new();
        for line in text.lines().map(without_comment) {
            let open = entries.last_mut().filter(|entry| is_open(&entry.value));
            if let Some(entry) = open {
                entry.value.push_str(line.trim());
            } else if line.starts_with('[') {
                line.trim()
                    .trim_matches(['[', ']'])
                    .clone_into(&mut section);
            } else if let Some((key, value)) = line.split_once('=') {
                let (key, value) = (
                    key.trim().trim_matches('"').to_owned(),
                    value.trim().to_owned(),
                );
                entries.push(Entry {
                    section: section.clone(),
                    key,
                    value,
                });
            }
        }
        Self { entries }
    }

    /// The value of a key, without the quotes of a string.
    pub(crate) fn get(&self, section: &str, key: &str) -> Option<&str> {
        self.section(section)
            .find(|entry| entry.key == key)
            .map(|entry| entry.value.trim_matches('"'))
    }

    /// The values of a key, without the quotes of strings, where a section is there more than once.
    pub(crate) fn all<'a>(
        &'a self,
        section: &'a str,
        key: &'a str,
    ) -> impl Iterator<Item = &'a str> {
        let entries = self.section(section).filter(move |entry| entry.key == key);
        entries.map(|entry| entry.value.trim_matches('"'))
    }

    /// The entries of a section in their order.
    pub(crate) fn section(&self, name: &str) -> impl Iterator<Item = &Entry> {
        self.entries
            .iter()
            .filter(move |entry| entry.section == name)
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The strings of an array.
    pub(crate) fn array(&self, section: &str, key: &str) -> Vec<String> {
        let value = self.get(section, key).unwrap_or_default();
        value
            .split('"')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    }
}

/// Whether an array or an inline table goes on in the next line.
fn is_open(value: &str) -> bool {
    let count = |c| value.matches(c).count();
    count('[') > count(']') || count('{') > count('}')
}

/// A `#` in a string starts no comment.
fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '#' if !quoted => return &line[..at],
            _ => {}
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_strings_arrays_and_comments_are_told_apart() {
        let manifest = Manifest::parse(
            "[package]\nname = \"a # b\" # c\nversion.workspace = true\ninclude = [\n  \"/src\",\n  \"/x\",\n]\n\n[lib]\npath = \"l.rs\"\n",
        );
        assert_eq!(manifest.get("package", "name"), Some("a # b"));
        assert_eq!(manifest.get("package", "version.workspace"), Some("true"));
        assert_eq!(manifest.array("package", "include"), ["/src", "/x"]);
        assert_eq!(manifest.get("lib", "path"), Some("l.rs"));
        assert_eq!(manifest.get("lib", "name"), None);
        let twice = Manifest::parse("[[bin]]\nname = \"a\"\n[[bin]]\nname = \"b\"\n");
        assert!(twice.all("bin", "name").eq(["a", "b"]));
    }
}
