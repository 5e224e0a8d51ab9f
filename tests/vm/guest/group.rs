//! Switches of the machine: control groups and CPUs. Whatever is changed is put back when the value is dropped, also by a
//! panic.

use std::fs;
use std::path::PathBuf;

use heddle_numa::{CpuId, CpuSet};

const ROOT: &str = "/sys/fs/cgroup";
const CPUS: &str = "/sys/devices/system/cpu";

/// A control group of version 2 below the root.
pub(crate) struct Group(PathBuf);

impl Group {
    /// One without limits; nobody is in it.
    pub(crate) fn new(name: &str) -> Group {
        Self::at(PathBuf::from(format!("{ROOT}/{name}-{}", std::process::id())))
    }

    /// A group inside this one, which must be empty.
    pub(crate) fn inner(&self, name: &str) -> Group {
        self.set("cgroup.subtree_control", "+cpuset +cpu");
        Self::at(self.0.join(name))
    }

    fn at(path: PathBuf) -> Group {
        fs::create_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Group(path)
    }

    pub(crate) fn set(&self, file: &str, value: &str) {
        let path = self.0.join(file);
        fs::write(&path, value).unwrap_or_else(|error| panic!("{value} > {}: {error}", path.display()));
    }

    /// Moves this process into it.
    pub(crate) fn enter(&self) {
        self.set("cgroup.procs", "0");
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let left = fs::write(format!("{ROOT}/cgroup.procs"), "0").and_then(|()| fs::remove_dir(&self.0));
        if let Err(error) = left {
            eprintln!("{} stays: {error}", self.0.display());
        }
    }
}

/// CPUs that are switched off while it lives.
pub(crate) struct Offline(CpuSet);

impl Offline {
    pub(crate) fn new(cpus: CpuSet) -> Offline {
        let offline = Offline(cpus);
        offline.0.iter().for_each(|cpu| switch(cpu, false));
        offline
    }
}

impl Drop for Offline {
    fn drop(&mut self) {
        self.0.iter().for_each(|cpu| switch(cpu, true));
    }
}

/// Switches on what a check that was killed has left off.
pub(crate) fn all_on(cpus: &CpuSet) {
    // The first has no switch.
    cpus.iter().skip(1).for_each(|cpu| switch(cpu, true));
}

fn switch(cpu: CpuId, on: bool) {
    let path = format!("{CPUS}/cpu{}/online", cpu.0);
    if fs::read_to_string(&path).is_ok_and(|now| now.trim() == u8::from(on).to_string()) {
        return;
    }
    fs::write(&path, u8::from(on).to_string()).unwrap_or_else(|error| panic!("{path}: {error}"));
}
