//! The tiers: kinds of tests that need the same things.

use crate::services::Service;
use crate::workspace::{Package, rust_files};

/// A tier is named after its test target; what has no such name is `unit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Tier {
    Unit,
    Doc,
    /// Every example, run to its end.
    Example,
    Redis,
    Postgres,
    /// Loom tests beside their types, built under `--cfg model`.
    Model,
    /// Tests under shuttle beside their types, built under `--cfg model_shuttle`.
    Shuttle,
    /// Tests of crates with `unsafe`, under the address sanitizer.
    Asan,
    /// Tests that start, kill and pause servers of their own.
    Chaos,
    Browser,
    Soak,
}

impl Tier {
    /// In the order in which they run: what fails fast comes first.
    pub(crate) const ALL: [Self; 11] = [
        Self::Unit,
        Self::Doc,
        Self::Example,
        Self::Redis,
        Self::Postgres,
        Self::Model,
        Self::Shuttle,
        Self::Asan,
        Self::Chaos,
        Self::Browser,
        Self::Soak,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Doc => "doc",
            Self::Example => "example",
            Self::Redis => "redis",
            Self::Postgres => "postgres",
            Self::Model => "model",
            Self::Shuttle => "shuttle",
            Self::Asan => "asan",
            Self::Chaos => "chaos",
            Self::Browser => "browser",
            Self::Soak => "soak",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.name() == name)
    }

    pub(crate) fn is_default(self, is_ci: bool) -> bool {
        match self {
            Self::Unit | Self::Doc | Self::Example | Self::Redis | Self::Postgres => true,
            Self::Model | Self::Chaos => is_ci,
            Self::Shuttle | Self::Asan | Self::Browser | Self::Soak => false,
        }
    }

    /// The service that its tests are handed.
    pub(crate) fn served(self) -> Option<Service> {
        match self {
            Self::Redis => Some(Service::Redis),
            Self::Postgres => Some(Service::Postgres),
            _ => None,
        }
    }

    /// The name of its test targets.
    pub(crate) fn target(self) -> Option<&'static str> {
        match self {
            Self::Unit | Self::Doc | Self::Example | Self::Model | Self::Shuttle | Self::Asan => {
                None
            }
            _ => Some(self.name()),
        }
    }

    /// Whether the package has tests of this tier.
    pub(crate) fn is_in(self, package: &Package) -> bool {
        match self {
            Self::Unit => {
                package.lib.is_some() || package.has_bins || unit_targets(package).next().is_some()
            }
            Self::Doc => package.lib.is_some() && any_source(package, has_doctest),
            Self::Example => !package.examples.is_empty(),
            Self::Model => package.lib.is_some() && any_source(package, has("loom_tests")),
            Self::Shuttle => package.lib.is_some() && any_source(package, has("shuttle_tests")),
            Self::Asan => package.dir.join("src/raw").is_dir(),
            _ => package
                .tests
                .iter()
                .any(|(name, _)| Some(name.as_str()) == self.target()),
        }
    }

    /// The services whose programs its tests in this package start themselves: those that they
    /// name.
    pub(crate) fn programs(self, package: &Package) -> Vec<Service> {
        if self != Self::Chaos {
            return Vec::new();
        }
        let files = package
            .tests
            .iter()
            .filter(|(name, _)| name == "chaos")
            .flat_map(|(_, root)| {
                let folder = root.ends_with("main.rs").then(|| root.parent()).flatten();
                folder.map_or_else(|| vec![root.clone()], rust_files)
            });
        let text: String = files
            .filter_map(|file| std::fs::read_to_string(file).ok())
            .collect();
        let text = text.to_lowercase();
        Service::ALL
            .into_iter()
            .filter(|service| text.contains(service.name()))
            .collect()
    }
}

/// The test targets of a package that belong to no tier of their own.
pub(crate) fn unit_targets(package: &Package) -> impl Iterator<Item = &str> {
    let names = package.tests.iter().map(|(name, _)| name.as_str());
    names.filter(|name| {
        !Tier::ALL
            .into_iter()
            .any(|tier| tier.target() == Some(name))
    })
}

fn any_source(package: &Package, has: impl Fn(&str) -> bool) -> bool {
    let sources = package.sources().into_iter();
    sources
        .filter_map(|file| std::fs::read_to_string(file).ok())
        .any(|text| has(&text))
}

fn has(tests: &str) -> impl Fn(&str) -> bool {
    let module = format!("mod {tests}");
    move |text| {
        text.lines()
            .any(|line| line.trim_start().starts_with(&module))
    }
}

/// A code block in a documentation comment, or a file with perhaps some.
fn has_doctest(text: &str) -> bool {
    text.lines().map(str::trim_start).any(|line| {
        let comment = line
            .strip_prefix("///")
            .or_else(|| line.strip_prefix("//!"));
        match comment
            .map(str::trim_start)
            .and_then(|text| text.strip_prefix("```"))
        {
            Some(language) => ["", "rust", "no_run", "compile_fail"]
                .contains(&language.split(',').next().unwrap_or_default()),
            None => line.contains("doc = include_str!"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_in_documentation_are_told_from_pictures_and_shell() {
        for text in [
            "/// ```\n",
            "//! ```rust,no_run\n",
            "#![doc = include_str!(\"../README.md\")]",
            "    /// ```compile_fail\n",
        ] {
            assert!(has_doctest(text), "{text}");
        }
        for text in ["/// ```text\n", "//! ```sh\n", "// ```\n", "fn main() {}"] {
            assert!(!has_doctest(text), "{text}");
        }
    }

    #[test]
    fn every_tier_is_found_by_its_name() {
        for tier in Tier::ALL {
            assert_eq!(Tier::from_name(tier.name()), Some(tier));
        }
        assert_eq!(Tier::from_name("fuzz"), None);
    }
}
