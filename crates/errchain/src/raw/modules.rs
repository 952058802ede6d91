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
        let place = |header: &libc::Elf64_Phdr| {
            let start = base.checked_add(usize::try_from(header.p_vaddr).ok()?)?;
            Some(start..start.checked_add(usize::try_from(header.p_memsz).ok()?)?)
        };
        let loaded = || {
            headers
                .iter()
                .filter(|header| header.p_type == libc::PT_LOAD)
        };
        let start = loaded().filter_map(place).map(|range| range.start).min()?;
        let end = loaded().filter_map(place).map(|range| range.end).max()?;
        let notes = headers
            .iter()
            .filter(|header| header.p_type == libc::PT_NOTE);
        let is_loaded = |note: &Range<usize>| {
            loaded()
                .filter_map(place)
                .any(|range| range.start <= note.start && note.end <= range.end)
        };
        let build_id = notes.filter_map(place).filter(is_loaded).find_map(|range| {
            // SAFETY: what is loaded is mapped, and a note is readable and never written.
            let bytes = unsafe {
                slice::from_raw_parts(core::ptr::with_exposed_provenance(range.start), range.len())
            };
            super::build_id(bytes)
        });
        let path = if info.dlpi_name.is_null() {
            String::new()
        } else {
            // SAFETY: a name is a C string that lives as long as the module.
            unsafe { CStr::from_ptr(info.dlpi_name) }
                .to_string_lossy()
                .into_owned()
        };
        Some(Module {
            path,
            build_id: build_id.unwrap_or_default().to_owned(),
            base,
            range: start..end,
        })
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
