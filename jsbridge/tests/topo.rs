//! The program `heddle topo`.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

fn topo(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heddle"));
    // hwloc says by itself what it misses, as where a container hides /sys.
    command.arg("topo").args(arguments).env("HWLOC_HIDE_ERRORS", "2").output().unwrap()
}

/// What it drew; it had nothing to complain of.
fn drawn(arguments: &[&str]) -> String {
    let output = topo(arguments);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), complaint.as_ref()), (Some(0), ""), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn refused(arguments: &[&str], code: i32) -> String {
    let output = topo(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// A directory that is removed in the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("heddle-topo-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    fn with(self, file: &str, text: &str) -> Directory {
        let path = self.0.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn path(&self, file: &str) -> String {
        self.0.join(file).to_str().unwrap().to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The least that a system says: two nodes, the second without CPUs.
fn small_machine(name: &str) -> Directory {
    let root = Directory::new(name)
        .with("sys/devices/system/cpu/online", "0-1\n")
        .with("sys/devices/system/cpu/possible", "0-1\n")
        .with("sys/devices/system/node/online", "0-1\n")
        .with("sys/devices/system/node/has_memory", "0-1\n");
    [("0", "0-1", "10 17"), ("1", "", "17 10")].into_iter().fold(root, |root, (node, cpus, distance)| {
        let dir = format!("sys/devices/system/node/node{node}");
        root.with(&format!("{dir}/cpulist"), cpus)
            .with(&format!("{dir}/meminfo"), &format!("Node {node} MemTotal: 1048576 kB\n"))
            .with(&format!("{dir}/distance"), distance)
    })
}

#[test]
fn this_machine_is_drawn_with_its_sources() {
    let picture = drawn(&[]);
    for part in ["package 0", "node 0", "default workers", "hwloc: "] {
        assert!(picture.contains(part), "{part}: {picture}");
    }
    assert!(drawn(&["--json"]).starts_with("{\"nodes\": ["));
    assert!(drawn(&["--svg", "-"]).starts_with("<svg "));
}

#[test]
fn a_copied_machine_is_drawn_as_it_is() {
    let machine = small_machine("copy");
    let picture = drawn(&["--sysfs", &machine.path("")]);
    for part in [
        "1 package, 2 nodes",
        "node 0, 1 GiB",
        "node 1, 1 GiB, no CPUs",
        "node   1  17  10",
        "from sysfs: nodes",
    ] {
        assert!(picture.contains(part), "{part}: {picture}");
    }
    assert!(drawn(&["--json", "--sysfs", &machine.path("")]).contains("\"rows\": [[10, 17], [17, 10]]"));
}

#[test]
fn an_svg_goes_into_a_file_and_nothing_is_printed() {
    let machine = small_machine("svg");
    let file = machine.path("machine.svg");
    assert_eq!(drawn(&["--svg", &file, "--sysfs", &machine.path("")]), "");
    let picture = std::fs::read_to_string(&file).unwrap();
    assert!(picture.starts_with("<svg ") && picture.contains(">node 1, 1 GiB, no CPUs<"), "{picture}");
    assert_eq!(drawn(&["--sysfs", &machine.path(""), "--svg", "-"]), picture);
    assert!(refused(&["--svg", &machine.path("absent/machine.svg")], 1).contains("absent/machine.svg"));
}

#[test]
fn machines_of_hwloc_are_drawn_where_it_is_built_in() {
    let output = topo(&["--synthetic", "pack:2 [numa] l3:4 core:8 pu:2"]);
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(complaint.contains("libhwloc"), "{complaint}");
        eprintln!("SKIPPED: built without libhwloc");
        return;
    }
    let picture = String::from_utf8(output.stdout).unwrap();
    assert!(picture.starts_with("2 packages, 2 nodes, 64 cores, 128 CPUs\n"), "{picture}");
    assert!(picture.contains("memory of nodes 0-1") && picture.contains("nobody says: memory"), "{picture}");
    assert!(refused(&["--synthetic", "nonsense"], 1).contains("`nonsense`"));
    assert!(refused(&["--hwloc-xml", "/no/such.xml"], 1).contains("/no/such.xml"));
    let garbled = Directory::new("xml").with("garbled.xml", "<topology");
    assert!(refused(&["--hwloc-xml", &garbled.path("garbled.xml")], 1).contains("garbled.xml"));
}

#[test]
fn a_command_line_that_makes_no_sense_is_explained() {
    let wrong: [(&[&str], &str); 11] = [
        (&["--svg"], "--svg needs a file"),
        (&["--svg", ""], "--svg needs a file"),
        (&["--svg", "--json"], "--svg needs a file"),
        (&["--sysfs"], "--sysfs needs a directory"),
        (&["--hwloc-xml"], "--hwloc-xml needs a file"),
        (&["--synthetic"], "--synthetic needs a description"),
        (&["--json", "--json"], "one drawing at a time"),
        (&["--json", "--svg", "-"], "one drawing at a time"),
        (&["--sysfs", "/", "--synthetic", "numa:2"], "one machine at a time"),
        (&["--loud"], "no option --loud"),
        (&["machine"], "not 'machine'"),
    ];
    for (arguments, reason) in wrong {
        let complaint = refused(arguments, 9);
        assert!(complaint.contains(reason) && complaint.contains("usage: heddle topo"), "{complaint}");
    }
    assert!(refused(&["--sysfs", "/no/such/root"], 1).contains("/no/such/root"));
    assert!(drawn(&["--help"]).starts_with("usage: heddle topo"));
}

/// With and without something to be said: the reader of either is gone before it is.
#[test]
fn a_reader_that_has_enough_ends_it_quietly() {
    for arguments in [&[][..], &["--json"], &["--help"], &["--nonsense"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_heddle"));
        command
            .arg("topo")
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let mut complaint = String::new();
        child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
        let expected = if arguments.contains(&"--nonsense") { 9 } else { 0 };
        assert_eq!(child.wait().unwrap().code(), Some(expected), "{arguments:?}: {complaint}");
        assert!(!complaint.contains("panicked"), "{complaint}");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_heddle"));
    let mut child = command.args(["topo", "--nonsense"]).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(9));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_heddle")).arg("topo").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("standard output"));
}

#[test]
#[cfg(unix)]
fn names_that_are_not_utf_8_are_no_panic() {
    use std::os::unix::ffi::OsStrExt;
    let odd = std::ffi::OsStr::from_bytes(b"/no/\xff");
    for (arguments, code) in [(&["topo", "--sysfs"][..], 1), (&["topo"], 9), (&["run"], 9), (&[], 9)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_heddle"));
        let output = command.args(arguments).arg(odd).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
    }
}
