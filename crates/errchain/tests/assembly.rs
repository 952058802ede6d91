//! That results travel in registers, read from the code that the compiler emits.

#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#![cfg(not(miri))]

use std::path::Path;
use std::process::Command;

/// Two functions, each with a way to succeed and a way to fail.
const PROBE: &str = r#"
#![crate_type = "lib"]
#[unsafe(no_mangle)]
pub fn probe_unit(number: u64) -> errchain::Result<()> {
    errchain::ensure!(number != 7, "seven");
    Ok(())
}
#[unsafe(no_mangle)]
pub fn probe_number(number: u64) -> errchain::Result<u64> {
    errchain::ensure!(number != 7, "seven");
    Ok(number + 1)
}
"#;

#[test]
fn results_are_returned_in_registers_and_a_literal_costs_no_call() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("assembly");
    std::fs::create_dir_all(&dir).expect("the folder for temporary files is writable");
    std::fs::write(dir.join("probe.rs"), PROBE).expect("as above");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");

    rustc(
        &dir,
        &[
            "--crate-name=errchain",
            "--crate-type=lib",
            "--cfg=feature=\"std\"",
        ],
        &root,
    );
    rustc(
        &dir,
        &["--emit=asm", "--extern=errchain=liberrchain.rlib"],
        Path::new("probe.rs"),
    );

    let assembly = std::fs::read_to_string(dir.join("probe.s")).expect("rustc has written it");
    for name in ["probe_unit", "probe_number"] {
        let body = body(&assembly, name);
        assert!(body.contains("ret"), "{name} was not found whole:\n{body}");
        for forbidden in forbidden() {
            assert!(
                !body.contains(forbidden),
                "{name} contains {forbidden}:\n{body}"
            );
        }
    }
}

/// A store through the pointer for results in memory, and calls of any kind.
fn forbidden() -> [&'static str; 3] {
    if cfg!(target_arch = "x86_64") {
        ["(%rdi)\n", "call", "jmp\t*"]
    } else {
        ["[x8", "bl\t", "br\t"]
    }
}

fn rustc(dir: &Path, args: &[&str], source: &Path) {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .current_dir(dir)
        .args(["--edition=2024", "-Copt-level=3", "-Ccodegen-units=1"])
        .args(args)
        .arg(source)
        .output()
        .expect("rustc can be started");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "rustc failed:\n{stderr}");
}

/// The lines from a function's label to the end of the function.
fn body(assembly: &str, name: &str) -> String {
    // macOS puts an underscore before each name.
    let labels = [format!("{name}:"), format!("_{name}:")];
    assembly
        .lines()
        .skip_while(|line| !labels.iter().any(|label| line.trim() == label))
        .take_while(|line| !line.contains(".cfi_endproc"))
        .collect::<Vec<_>>()
        .join("\n")
}
