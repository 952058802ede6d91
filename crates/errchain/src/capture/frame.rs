//! One line of a stack, with names.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};
use core::ops::Deref;

use crate::raw::{self, Module};
use crate::report;

/// A frame of a stack: a call, or a call that was inlined into another.
#[derive(Debug, Clone)]
pub struct Frame {
    address: usize,
    function: Option<Box<str>>,
    file: Option<Box<str>>,
    line: Option<u32>,
    module: Option<Arc<Place>>,
    offset: usize,
}

/// The program or library that a frame's code is in.
#[derive(Debug)]
struct Place {
    name: Box<str>,
    build_id: Box<str>,
}

impl Frame {
    /// The name of the function, if the program knows it.
    #[must_use]
    pub fn function(&self) -> Option<&str> {
        self.function.as_deref()
    }

    /// The source file, if the program has debug information.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// The line in [`file`](Self::file).
    #[must_use]
    pub fn line(&self) -> Option<u32> {
        self.line
    }

    /// The file name of the program or library that the code is in.
    #[must_use]
    pub fn module(&self) -> Option<&str> {
        self.module.as_ref().map(|place| &*place.name)
    }

    /// The build id of that module in hexadecimal, empty if the linker gave it none.
    ///
    /// With [`offset`](Self::offset) it finds the line later and elsewhere, in a copy of the
    /// module that was not stripped.
    #[must_use]
    pub fn build_id(&self) -> Option<&str> {
        self.module.as_ref().map(|place| &*place.build_id)
    }

    /// The return address as the module's file counts: what `addr2line` takes, less one.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// About how much memory it takes.
    fn bytes(&self) -> usize {
        let texts = [self.function(), self.file()];
        size_of::<Self>() + texts.into_iter().flatten().map(str::len).sum::<usize>()
    }

    /// A call inside this crate, or the conversion by which `?` got here.
    fn is_ours(&self) -> bool {
        let name = self.function().unwrap_or_default();
        name.starts_with("errchain::")
            // A method of a trait: `<... as errchain::...>::...`.
            || (name.starts_with('<') && name.contains("errchain::"))
            || name.contains("from_residual")
            // An inlined function has a name without a path, but a file.
            || self.file().is_some_and(|file| OUR_FOLDER.is_some_and(|ours| file.contains(ours)))
    }
}

/// The folder of this crate's sources, if it can be told from others.
const OUR_FOLDER: Option<&str> = {
    let folder = file!().split_at(file!().len() - "capture/frame.rs".len()).0;
    // Built as the root of its own workspace, it is just `src/`, as everybody's is.
    if folder.len() > "src/".len() {
        Some(folder)
    } else {
        None
    }
};

/// `function at file:line`, or module and offset if there are no names.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.function {
            Some(function) => f.write_str(function)?,
            None => f.write_str("<unknown>")?,
        }
        if let Some(file) = &self.file {
            write!(f, " at {file}")?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
            return Ok(());
        }
        match &self.module {
            Some(place) => write!(f, " in {}+{:#x}", place.name, self.offset),
            None => write!(f, " at {:#x}", self.address),
        }
    }
}

/// The frames of a stack, innermost first: what [`Backtrace::frames`](super::Backtrace::frames)
/// returns.
#[derive(Debug, Clone)]
pub struct Frames(Arc<Resolved>);

#[derive(Debug)]
struct Resolved {
    frames: Box<[Frame]>,
    /// A line per frame, ready for reports.
    text: Box<str>,
}

impl Deref for Frames {
    type Target = [Frame];

    fn deref(&self) -> &[Frame] {
        &self.0.frames
    }
}

impl Frames {
    fn new(frames: Box<[Frame]>) -> Self {
        let mut text = String::new();
        for frame in &frames {
            text.push_str("\n  ");
            text.push_str(&report::escaped_line(&frame.to_string()));
        }
        let text = text.into();
        Self(Arc::new(Resolved { frames, text }))
    }

    /// A line per frame, escaped, each after a line break and two spaces.
    pub(crate) fn text(&self) -> &str {
        &self.0.text
    }

    /// About how much memory they take.
    pub(super) fn bytes(&self) -> usize {
        self.0.text.len() + self.iter().map(Frame::bytes).sum::<usize>()
    }

    #[cfg(test)]
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Looks up all names of a stack, and gives back the memory that it took.
pub(super) fn resolve(addresses: &[usize]) -> Frames {
    let modules = raw::modules();
    let mut places = Vec::new();
    let mut frames = Vec::with_capacity(addresses.len());
    for &address in addresses {
        let bare = locate(address, &modules, &mut places);
        let known = frames.len();
        backtrace::resolve(core::ptr::without_provenance_mut(address), |symbol| {
            frames.push(Frame {
                function: symbol.name().map(|name| alloc::format!("{name:#}").into()),
                file: symbol.filename().map(|file| file.to_string_lossy().into()),
                line: symbol.lineno(),
                ..bare.clone()
            });
        });
        if frames.len() == known {
            frames.push(bare);
        }
    }
    backtrace::clear_symbol_cache();
    frames.drain(..without_ours(&frames));
    Frames::new(frames.into())
}

/// Where the frames of the caller begin: behind the walk itself, and behind this crate.
fn without_ours(frames: &[Frame]) -> usize {
    /// The unwinder is this far inside this crate, at most.
    const WALK: usize = 8;
    let walk = frames.iter().take(WALK).position(Frame::is_ours);
    let Some(walk) = walk else { return 0 };
    let ours = frames[walk..].iter().take_while(|frame| frame.is_ours());
    // A stack that is ours all the way down is one of this crate's own tests.
    Some(walk + ours.count())
        .filter(|start| *start < frames.len())
        .unwrap_or(0)
}

/// The frame without names.
fn locate(address: usize, modules: &[Module], places: &mut Vec<(usize, Arc<Place>)>) -> Frame {
    let module = modules
        .iter()
        .find(|module| module.range.contains(&address));
    let place = module.map(|module| {
        if let Some((_, place)) = places.iter().find(|(base, _)| *base == module.base) {
            return Arc::clone(place);
        }
        let place = Arc::new(Place::new(module));
        places.push((module.base, Arc::clone(&place)));
        place
    });
    Frame {
        address,
        function: None,
        file: None,
        line: None,
        module: place,
        offset: address - module.map_or(0, |module| module.base),
    }
}

impl Place {
    fn new(module: &Module) -> Self {
        let path = if module.path.is_empty() {
            std::env::current_exe().map_or_else(
                |_| "main".to_string(),
                |path| path.to_string_lossy().into_owned(),
            )
        } else {
            module.path.clone()
        };
        let mut build_id = String::new();
        for byte in &module.build_id {
            // Writing to a `String` never fails.
            let _ = write!(build_id, "{byte:02x}");
        }
        Self {
            // The folder tells nothing that the build id does not, but something of the host.
            name: path.rsplit('/').next().unwrap_or_default().into(),
            build_id: build_id.into(),
        }
    }
}
