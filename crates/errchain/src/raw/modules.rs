//! The programs and libraries that are loaded: where, and which build of them.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// A program or library in memory.
#[derive(Debug, Clone)]
pub(crate) struct Module {
    /// Its file, as the loader knows it. Empty for the program itself.
    pub(crate) path: String,
    /// The build id that the linker gave it.
    pub(crate) build_id: Vec<u8>,
    /// The difference between an address in memory and the same one in the file.
    pub(crate) base: usize,
    /// From the first to the last byte in memory.
    pub(crate) range: Range<usize>,
    /// What of that is mapped and readable.
    #[cfg_attr(
        not(target_arch = "x86_64"),
        allow(dead_code, reason = "only asked for there")
    )]
    pub(crate) segments: Vec<Range<usize>>,
    /// The index of the unwind tables (`.eh_frame_hdr`).
    #[cfg_attr(
        not(target_arch = "x86_64"),
        allow(dead_code, reason = "only asked for there")
    )]
    pub(crate) unwind_index: Option<Range<usize>>,
}

/// All that is loaded now. Empty where it cannot be asked for.
pub(crate) fn modules() -> Vec<Module> {
    #[cfg(all(target_os = "linux", target_pointer_width = "64", not(miri)))]
    {
        linux::modules()
    }
    #[cfg(not(all(target_os = "linux", target_pointer_width = "64", not(miri))))]
    {
        Vec::new()
    }
}

#[cfg(all(target_os = "linux", target_pointer_width = "64", not(miri)))]
mod linux {
    use alloc::borrow::ToOwned;
    use alloc::string::String;
    use alloc::vec::Vec;
    use core::ffi::{CStr, c_int, c_void};
    use core::ops::Range;
    use core::slice;

    use super::Module;

    pub(super) fn modules() -> Vec<Module> {
        let mut modules = Vec::<Module>::new();
        // SAFETY: the callback gets the vector that it expects, and does not unwind.
        unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut modules).cast()) };
        modules
    }

    unsafe extern "C" fn visit(
        info: *mut libc::dl_phdr_info,
        _size: usize,
        modules: *mut c_void,
    ) -> c_int {
        // SAFETY: the loader hands over a module that stays loaded during the call, and the
        // pointer is that of the vector in `modules`.
        unsafe {
            let modules = &mut *modules.cast::<Vec<Module>>();
            if let Some(module) = read(&*info) {
                modules.push(module);
            }
        }
        0
    }

    /// # Safety
    ///
    /// The module must be loaded.
    unsafe fn read(info: &libc::dl_phdr_info) -> Option<Module> {
        if info.dlpi_phdr.is_null() {
            return None;
        }
        let base = usize::try_from(info.dlpi_addr).ok()?;
        // SAFETY: the loader's table of headers.
        let headers = unsafe { slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
        let of_type = |kind| {
            headers
                .iter()
                .filter(move |header| header.p_type == kind)
                .filter_map(|header| {
                    let start = base.checked_add(usize::try_from(header.p_vaddr).ok()?)?;
                    let end = start.checked_add(usize::try_from(header.p_memsz).ok()?)?;
                    Some((start..end, header.p_flags))
                })
        };
        let start = of_type(libc::PT_LOAD).map(|(range, _)| range.start).min()?;
        let end = of_type(libc::PT_LOAD).map(|(range, _)| range.end).max()?;
        let path = if info.dlpi_name.is_null() {
            String::new()
        } else {
            // SAFETY: a name is a C string that lives as long as the module.
            unsafe { CStr::from_ptr(info.dlpi_name) }
                .to_string_lossy()
                .into_owned()
        };
        let mut module = Module {
            path,
            build_id: Vec::new(),
            base,
            range: start..end,
            segments: of_type(libc::PT_LOAD)
                .filter(|(_, flags)| flags & libc::PF_R != 0)
                .map(|(range, _)| range)
                .collect(),
            unwind_index: of_type(libc::PT_GNU_EH_FRAME)
                .map(|(range, _)| range)
                .next(),
        };
        let build_id = of_type(libc::PT_NOTE).find_map(|(range, _)| {
            // SAFETY: the caller's; a note is never written.
            super::build_id(unsafe { module.bytes(range) }?)
        });
        module.build_id = build_id.unwrap_or_default().to_owned();
        Some(module)
    }

    impl Module {
        /// What lies there, if that is readable.
        ///
        /// # Safety
        ///
        /// The module must stay loaded for `'a`, and nothing in the range be written.
        pub(crate) unsafe fn bytes<'a>(&self, range: Range<usize>) -> Option<&'a [u8]> {
            let is_readable =
                |segment: &Range<usize>| segment.start <= range.start && range.end <= segment.end;
            // SAFETY: the caller's; what is loaded is mapped.
            self.segments.iter().any(is_readable).then(|| unsafe {
                let start = core::ptr::with_exposed_provenance(range.start);
                slice::from_raw_parts(start, range.len())
            })
        }
    }
}

/// Finds the build id in a note segment: ELF's notes are a header of three words, a name and a
/// value, both padded to four bytes.
#[cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "only asked for there")
)]
fn build_id(mut notes: &[u8]) -> Option<&[u8]> {
    const NT_GNU_BUILD_ID: u32 = 3;
    loop {
        let (header, rest) = notes.split_at_checked(12)?;
        let word = |index: usize| {
            let bytes = header[4 * index..][..4].try_into().expect("four bytes");
            u32::from_ne_bytes(bytes)
        };
        let name_len = usize::try_from(word(0)).ok()?;
        let value_len = usize::try_from(word(1)).ok()?;
        let (name, rest) = rest.split_at_checked(name_len.checked_next_multiple_of(4)?)?;
        let value = rest.get(..value_len)?;
        if word(2) == NT_GNU_BUILD_ID && name.starts_with(b"GNU\0") {
            return Some(value);
        }
        notes = rest.get(value_len.checked_next_multiple_of(4)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(kind: u32, name: &[u8], value: &[u8]) -> Vec<u8> {
        let len = |bytes: &[u8]| u32::try_from(bytes.len()).expect("short").to_ne_bytes();
        let mut note = [len(name), len(value), kind.to_ne_bytes()].concat();
        for part in [name, value] {
            note.extend(part);
            note.resize(note.len().next_multiple_of(4), 0);
        }
        note
    }

    #[test]
    fn the_build_id_is_found_among_other_notes_and_nothing_is_read_past_the_end() {
        let other = note(1, b"GNU\0", &[0; 16]);
        let wanted = note(3, b"GNU\0", &[1, 2, 3, 4, 5]);
        let notes = [other.clone(), wanted].concat();
        assert_eq!(build_id(&notes), Some(&[1, 2, 3, 4, 5][..]));
        assert_eq!(build_id(&other), None);
        for end in 0..notes.len() - 3 {
            assert_eq!(build_id(&notes[..end]), None, "cut at {end}");
        }
        assert_eq!(build_id(&[0xFF; 64]), None);
    }
}
