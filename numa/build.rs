//! Looks for libhwloc 2.x and sets `cfg(hwloc)` where it is found.
//!
//! * Found by pkg-config, or by its header and library in the usual places: the second opinion on the topology is built in.
//! * Not found: a warning with the line that installs it, and a build without. Nothing links to it then, although the
//!   crate hwloc2 is a dependency: a library that is never named is never linked.
//! * `NUMA_REQUIRE_HWLOC=1` makes not finding it an error (for CI). `HEDDLE_NO_HWLOC=1` does not look (for testing the
//!   build without).

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

const INSTALL: &str = "apt-get install libhwloc-dev pkg-config && cargo clean -p heddle-numa";

fn main() {
    println!("cargo::rustc-check-cfg=cfg(hwloc)");
    println!("cargo::rerun-if-changed=build.rs");
    for name in ["HEDDLE_NO_HWLOC", "NUMA_REQUIRE_HWLOC", "PKG_CONFIG_PATH", "PKG_CONFIG_ALLOW_CROSS"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    match find() {
        Ok(library) => {
            println!("cargo::rustc-cfg=hwloc");
            for directory in library.search {
                println!("cargo::rustc-link-search=native={directory}");
            }
        }
        Err(why) if is_set("NUMA_REQUIRE_HWLOC") => {
            println!("cargo::error=NUMA_REQUIRE_HWLOC is set, and {why}. Install it: {INSTALL}");
        }
        // Not looked for, or of no use on this system: nothing to warn about.
        Err(_) if is_set("HEDDLE_NO_HWLOC") || !targets_linux_64() => {}
        Err(why) => println!(
            "cargo::warning={why}: the topology comes from sysfs alone. For a second opinion by hwloc: {INSTALL}"
        ),
    }
}

struct Library {
    /// Directories to search that the linker does not search by itself.
    search: Vec<String>,
}

fn find() -> Result<Library, String> {
    if is_set("HEDDLE_NO_HWLOC") {
        return Err("HEDDLE_NO_HWLOC forbids libhwloc".into());
    }
    if !targets_linux_64() {
        return Err("libhwloc is used on 64-bit Linux only".into());
    }
    if env::var("HOST") != env::var("TARGET") && !is_set("PKG_CONFIG_ALLOW_CROSS") {
        return Err("libhwloc is not looked for when cross-compiling (PKG_CONFIG_ALLOW_CROSS=1 does)".into());
    }
    by_pkg_config().or_else(|why| by_files().ok_or(why))
}

fn by_pkg_config() -> Result<Library, String> {
    let ask = |argument: &str| -> Option<String> {
        let output = Command::new("pkg-config").args([argument, "hwloc"]).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let version = ask("--modversion").ok_or("libhwloc was not found (pkg-config knows no `hwloc`)")?;
    if !version.starts_with("2.") {
        return Err(format!("libhwloc {version} was found, and 2.x is needed"));
    }
    let search = ask("--libs-only-L").unwrap_or_default();
    let search =
        search.split_whitespace().filter_map(|flag| flag.strip_prefix("-L")).map(str::to_owned).collect();
    Ok(Library { search })
}

/// Without pkg-config: the header says the version, and the library lies where the linker looks.
fn by_files() -> Option<Library> {
    let arch = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let libraries = [
        "/usr/lib".into(),
        "/usr/lib64".into(),
        "/usr/local/lib".into(),
        format!("/usr/lib/{arch}-linux-gnu"),
    ];
    let directory =
        libraries.into_iter().find(|directory| Path::new(directory).join("libhwloc.so").exists())?;
    let header = ["/usr/include/hwloc.h", "/usr/local/include/hwloc.h"]
        .iter()
        .find_map(|path| fs::read_to_string(path).ok())?;
    let version = header.lines().find_map(|line| line.strip_prefix("#define HWLOC_API_VERSION"))?;
    version.trim().starts_with("0x0002").then(|| Library { search: vec![directory] })
}

fn targets_linux_64() -> bool {
    let is = |name: &str, wanted: &str| env::var(name).is_ok_and(|value| value == wanted);
    is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_POINTER_WIDTH", "64")
}

fn is_set(name: &str) -> bool {
    env::var(name).is_ok_and(|value| !matches!(value.as_str(), "" | "0"))
}
