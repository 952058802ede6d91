//! The unwind tables, read once for each return address.
//!
//! The system's unwinder looks a return address up in the tables and runs the little program that
//! they have for it, each time anew. Most of these programs come to the same few rules, which fit
//! into half a word: so that is what is remembered. What does not fit (functions with a frame of
//! computed size, signal handlers) is left to the unwinder, and so is code of libraries that may
//! be unloaded, because their addresses could mean something else later.
//!
//! The tables are those of DWARF 5, section 6.4, in the form of the Linux Standard Base, 10.6.

use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::OnceLock;

use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, EndianSlice, NativeEndian, ParsedEhFrameHdr,
    Register, RegisterRule, UnwindContext, UnwindContextStorage, UnwindSection, UnwindTableRow,
    X86_64,
};

use super::stack::{Registers, WORD, load};
use crate::raw::{Module, modules};

type Bytes = EndianSlice<'static, NativeEndian>;

/// Collects the return addresses; `false` if there is one without a rule.
#[inline]
pub(super) fn follow(frames: &mut Vec<usize>, most: usize) -> bool {
    let mut at = Registers::now();
    let Some(top) = at.end_of_stack() else {
        return false;
    };
    let programs = programs();
    while frames.len() < most {
        let (from_frame, size, saved) = match rule(programs, at.code) {
            Rule::Caller {
                from_frame,
                size,
                saved,
            } => (
                from_frame,
                WORD * usize::from(size),
                WORD * usize::from(saved),
            ),
            Rule::Nobody => return true,
            Rule::Unknown => return false,
        };
        let base = if from_frame { at.frame } else { at.stack };
        let caller = base.wrapping_add(size);
        // Callers lie above their callees, and so does what a function has saved for its caller.
        let is_caller = at.stack + WORD <= caller && caller <= top && caller.is_multiple_of(WORD);
        if !is_caller || saved > caller - at.stack {
            return false;
        }
        // SAFETY: both words lie between the stack pointer and the end of the stack.
        unsafe {
            at.code = load(caller - WORD);
            if saved != 0 {
                at.frame = load(caller - saved);
            }
        }
        at.stack = caller;
        if at.code == 0 {
            return true;
        }
        frames.push(at.code);
    }
    true
}

/// Where a frame's caller is found. Sizes are in words, of 15 bits each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// The caller's stack pointer is so much more than the frame's stack pointer, or than its
    /// frame pointer; the return address lies right below. So much below lies the caller's frame
    /// pointer, or if that is 0, it is in its register still.
    Caller {
        from_frame: bool,
        size: u16,
        saved: u16,
    },
    /// The thread began here.
    Nobody,
    /// The tables say something else, or nothing.
    Unknown,
}

impl Rule {
    const BITS: u32 = 31;
    const MOST: u16 = (1 << 15) - 1;

    /// A caller's size is never 0, which leaves room for the others.
    fn pack(self) -> u64 {
        let (from_frame, size, saved) = match self {
            Self::Caller {
                from_frame,
                size,
                saved,
            } => (from_frame, size, saved),
            Self::Nobody => (false, 0, 0),
            Self::Unknown => (false, 0, 1),
        };
        u64::from(from_frame) << 30 | u64::from(size) << 15 | u64::from(saved)
    }

    #[inline]
    fn unpack(bits: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "15 bits")]
        let field = |shift: u32| (bits >> shift) as u16 & Self::MOST;
        match (field(15), field(0)) {
            (0, 0) => Self::Nobody,
            (0, _) => Self::Unknown,
            (size, saved) => Self::Caller {
                from_frame: bits >> 30 & 1 == 1,
                size,
                saved,
            },
        }
    }
}

/// Where each rule has its place: a later one with the same place takes it. The upper bits say
/// which program and offset the rule is for, the lower ones are the rule. 0 is nobody's.
static KNOWN: [AtomicU64; 1 << PLACE_BITS] = [const { AtomicU64::new(0) }; 1 << PLACE_BITS];
const PLACE_BITS: u32 = 12;

/// The rule for a frame that goes on at this address.
#[inline]
fn rule(programs: &[Option<Program>; 2], address: usize) -> Rule {
    // A call may be the last instruction of its function.
    let address = address.wrapping_sub(1);
    let Some((number, program, offset)) =
        programs.iter().enumerate().find_map(|(number, program)| {
            let program = program.as_ref()?;
            let offset = address.wrapping_sub(program.range.start);
            (offset < program.range.len()).then_some((number, program, offset))
        })
    else {
        return Rule::Unknown;
    };
    let key = (offset as u64) << 1 | number as u64;
    // Fibonacci hashing (Knuth, The Art of Computer Programming 3, section 6.4).
    let place = key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (u64::BITS - PLACE_BITS);
    let known = &KNOWN[place as usize];
    // ORDERING: Relaxed. One word is all there is to a rule, and any thread finds the same one.
    let word = known.load(Ordering::Relaxed);
    if word >> Rule::BITS == key && word != 0 {
        return Rule::unpack(word);
    }
    let rule = program.read(address);
    known.store(key << Rule::BITS | rule.pack(), Ordering::Relaxed);
    rule
}

/// A program or library with its tables, which stays where it is for as long as this code does.
struct Program {
    range: Range<usize>,
    index: ParsedEhFrameHdr<Bytes>,
    tables: EhFrame<Bytes>,
    bases: BaseAddresses,
}

/// The one that this code is part of, and the C library.
fn programs() -> &'static [Option<Program>; 2] {
    static PROGRAMS: OnceLock<[Option<Program>; 2]> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let ours = (&raw const KNOWN).addr();
        let c_library = libc::pthread_self as unsafe extern "C" fn() -> libc::pthread_t;
        let modules = modules();
        [ours, (c_library as *const ()).addr()].map(|address| {
            let module = modules
                .iter()
                .find(|module| module.range.contains(&address))?;
            // SAFETY: neither is unloaded before this code is.
            unsafe { Program::of(module) }
        })
    })
}

impl Program {
    /// # Safety
    ///
    /// The module stays loaded for as long as this code is.
    unsafe fn of(module: &Module) -> Option<Self> {
        // SAFETY: the caller's.
        let bytes = |range| unsafe { module.bytes(range) };
        let index_start = module.unwind_index.as_ref()?.start;
        let bases = BaseAddresses::default().set_eh_frame_hdr(index_start as u64);
        let index = EhFrameHdr::new(bytes(module.unwind_index.clone()?)?, NativeEndian);
        let index = index.parse(&bases, u8::try_from(WORD).ok()?).ok()?;
        let start = usize::try_from(index.eh_frame_ptr().direct().ok()?).ok()?;
        // How long they are is not known: they end before the memory does.
        let end = module
            .segments
            .iter()
            .find(|segment| segment.contains(&start))?
            .end;
        // Offsets have 32 bits of a key.
        u32::try_from(module.range.len()).ok()?;
        Some(Self {
            range: module.range.clone(),
            index,
            tables: EhFrame::new(bytes(start..end)?, NativeEndian),
            bases: bases.set_eh_frame(start as u64),
        })
    }

    #[cold]
    fn read(&self, address: usize) -> Rule {
        self.simple_rule(address).unwrap_or(Rule::Unknown)
    }

    fn simple_rule(&self, address: usize) -> Option<Rule> {
        let mut context = UnwindContext::<usize, Room>::new_in();
        let row = self
            .index
            .table()?
            .unwind_info_for_address(
                &self.tables,
                &self.bases,
                &mut context,
                address as u64,
                EhFrame::cie_from_offset,
            )
            .ok()?;
        match row.register(X86_64::RA) {
            Some(RegisterRule::Undefined) => return Some(Rule::Nobody),
            Some(RegisterRule::Offset(-8)) => {}
            _ => return None,
        }
        let CfaRule::RegisterAndOffset { register, offset } = *row.cfa() else {
            return None;
        };
        let from_frame = match register {
            X86_64::RBP => true,
            X86_64::RSP => false,
            _ => return None,
        };
        let saved = match row.register(X86_64::RBP) {
            None | Some(RegisterRule::SameValue) => 0,
            Some(RegisterRule::Offset(offset)) => words(offset.checked_neg()?)?,
            _ => return None,
        };
        Some(Rule::Caller {
            from_frame,
            size: words(offset)?,
            saved,
        })
    }
}

/// Room for reading one rule, small enough for the smallest stack: a function saves at most the six
/// registers that are its caller's, and its return address.
struct Room;

impl UnwindContextStorage<usize> for Room {
    type Rules = [(Register, RegisterRule<usize>); 8];
    type Stack = [UnwindTableRow<usize, Self>; 4];
}

/// A positive number of bytes in words, if it fits.
fn words(bytes: i64) -> Option<u16> {
    let bytes = usize::try_from(bytes).ok()?;
    let words = u16::try_from(bytes / WORD).ok()?;
    (bytes % WORD == 0 && (1..=Rule::MOST).contains(&words)).then_some(words)
}

#[cfg(test)]
mod tests {
    use core::ffi::{c_int, c_void};
    use core::hint::black_box;

    use super::*;
    use crate::raw;

    /// Both walks of one stack, which end alike but begin in functions of their own.
    #[inline(never)]
    fn both() -> (Option<Vec<usize>>, Vec<usize>) {
        let mut unwound = Vec::new();
        raw::unwind(&mut unwound, usize::MAX);
        let mut followed = Vec::new();
        let is_known = follow(&mut followed, usize::MAX);
        (is_known.then_some(followed), unwound)
    }

    #[track_caller]
    fn assert_same_callers((followed, unwound): (Option<Vec<usize>>, Vec<usize>)) {
        let followed = followed.expect("every frame of this stack has a rule");
        let shared = followed.iter().rev().zip(unwound.iter().rev());
        let shared = shared.take_while(|(left, right)| left == right).count();
        // Only the return addresses into `both` differ, and what is above.
        assert!(shared + 1 >= followed.len(), "{followed:x?}\n{unwound:x?}");
        assert!(shared >= 8, "{followed:x?}\n{unwound:x?}");
    }

    #[inline(never)]
    fn under<R>(levels: u32, bottom: &dyn Fn() -> R) -> R {
        let mut room = [0_u8; 100];
        black_box(&mut room);
        let result = if levels == 0 {
            bottom()
        } else {
            under(levels - 1, bottom)
        };
        black_box(&mut room);
        result
    }

    #[test]
    fn the_rules_find_the_callers_that_the_unwinder_finds() {
        assert_same_callers(both());
        assert_same_callers(under(20, &both));
        let elsewhere = std::thread::spawn(|| under(20, &both));
        assert_same_callers(elsewhere.join().expect("it does not panic"));
    }

    #[test]
    fn a_library_that_calls_back_is_walked_through() {
        static SEEN: OnceLock<(Option<Vec<usize>>, Vec<usize>)> = OnceLock::new();

        unsafe extern "C" fn compare(_: *const c_void, _: *const c_void) -> c_int {
            SEEN.get_or_init(both);
            0
        }
        let mut two = [0_u8; 2];
        // SAFETY: two elements of one byte.
        unsafe { libc::qsort(two.as_mut_ptr().cast(), 2, 1, Some(compare)) };
        assert_same_callers(SEEN.get().cloned().expect("two are compared"));
    }

    #[test]
    fn a_walk_stops_at_the_most_that_is_wanted() {
        let (all, _) = both();
        for most in 0..all.expect("every frame has a rule").len() {
            let mut frames = Vec::new();
            assert!(follow(&mut frames, most));
            assert_eq!(frames.len(), most);
        }
    }

    #[test]
    fn what_no_table_knows_has_no_rule() {
        for address in [0, 1, usize::MAX, (&raw const KNOWN).addr()] {
            assert_eq!(rule(programs(), address), Rule::Unknown, "{address:x}");
        }
    }

    #[test]
    fn a_rule_that_is_remembered_is_the_one_that_was_read() {
        let programs = programs();
        let mut known = 0;
        for offset in (0..1 << 20).step_by(1_021) {
            for program in programs.iter().flatten() {
                let code = program.range.start + offset;
                if !program.range.contains(&code) {
                    continue;
                }
                let read = program.read(code);
                for _ in 0..2 {
                    // What goes on behind a call is up to the call.
                    assert_eq!(rule(programs, code + 1), read, "{code:x}");
                }
                known += usize::from(read != Rule::Unknown);
            }
        }
        assert!(known > 100, "{known}");
    }

    #[test]
    fn a_rule_survives_its_packing() {
        let sizes = [1, 2, 3, 1 << 7, Rule::MOST];
        let callers = sizes.into_iter().flat_map(|size| {
            [(false, 0), (true, 2), (true, Rule::MOST), (false, 1)].map(|(from_frame, saved)| {
                Rule::Caller {
                    from_frame,
                    size,
                    saved,
                }
            })
        });
        for rule in callers.chain([Rule::Nobody, Rule::Unknown]) {
            assert_eq!(Rule::unpack(rule.pack()), rule);
            assert_eq!(rule.pack() >> Rule::BITS, 0, "{rule:?}");
        }
    }

    #[test]
    fn sizes_are_whole_words_and_fit() {
        for (bytes, size) in [
            (8, Some(1)),
            (16, Some(2)),
            (8 * i64::from(Rule::MOST), Some(Rule::MOST)),
            (8 * i64::from(Rule::MOST) + 8, None),
            (0, None),
            (12, None),
            (-8, None),
            (i64::MIN, None),
            (i64::MAX, None),
        ] {
            assert_eq!(words(bytes), size, "{bytes}");
        }
    }
}
