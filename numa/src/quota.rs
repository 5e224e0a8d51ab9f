//! The CPU quota of the control group: how much CPU time this process may use, whatever its CPUs.
//!
//! A process with two busy pinned threads and a quota of one CPU was throttled in 20 of 21 periods, for about 50 ms of
//! every 100 ms; with one thread, never. So the number of workers is bounded by the quota rounded *down*.
//!
//! Both versions are read (`cpu.max`; `cpu.cfs_quota_us`), wherever they are mounted, and every ancestor up to the
//! mount point counts: the smallest wins. Nothing here is cached: a quota may change while the process runs.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};

/// A limit on CPU time: so many microseconds in every period. From [`Topology::quota`](crate::Topology::quota).
///
/// ```
/// use heddle_numa::Topology;
/// if let Some(quota) = Topology::detect()?.quota() {
///     println!("{} CPUs, by {}", quota.cpus(), quota.group().display());
///     println!("throttled in {} periods", quota.throttling()?.throttled_periods);
/// }
/// # Ok::<(), heddle_numa::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    quota_us: u64,
    period_us: u64,
    group: PathBuf,
}

impl Quota {
    /// The tightest quota on this process now, under a file-system root: `/`, or a fixture's. It reads a few small
    /// files, without looking at the rest of the machine as [`Topology`](crate::Topology) does.
    ///
    /// # Errors
    /// A group's limit is garbled, or there is neither a descriptor nor memory left to read it with.
    pub fn in_force(root: &Path) -> Result<Option<Quota>> {
        read(root)
    }

    /// CPU time that the group has used so far, in microseconds. `None` where the group does not tell: in
    /// version 1 that is another controller's business, which may be mounted elsewhere.
    pub fn used_us(&self) -> Option<u64> {
        let read = |name: &str| fs::read_to_string(self.group.join(name)).ok();
        let version_2 = || value_of(&read("cpu.stat")?, "usage_usec");
        let version_1 = || read("cpuacct.usage")?.trim().parse::<u64>().ok().map(|ns| ns / 1000);
        version_2().or_else(version_1)
    }

    /// CPU time allowed in a period, in microseconds.
    pub fn quota_us(&self) -> u64 {
        self.quota_us
    }

    /// The period, in microseconds.
    pub fn period_us(&self) -> u64 {
        self.period_us
    }

    /// The quota in CPUs: 2.5 for 250 ms in every 100 ms.
    pub fn cpus(&self) -> f64 {
        self.quota_us as f64 / self.period_us as f64
    }

    /// How many threads can always run: the quota rounded down, at least 1.
    pub fn whole_cpus(&self) -> usize {
        ((self.quota_us / self.period_us) as usize).max(1)
    }

    /// The directory of the control group that sets the limit (an ancestor's, where that is tighter).
    pub fn group(&self) -> &Path {
        &self.group
    }

    /// How often the group has run into its limit so far. Read it twice and take the difference.
    pub fn throttling(&self) -> Result<Throttling> {
        let path = self.group.join("cpu.stat");
        let text = fs::read_to_string(&path).map_err(|os| {
            Error::system(format!("cannot read {}: has the control group been removed?", path.display()), os)
        })?;
        let value = |name: &str| value_of(&text, name);
        Ok(Throttling {
            periods: value("nr_periods").unwrap_or(0),
            throttled_periods: value("nr_throttled").unwrap_or(0),
            // v2 counts microseconds, v1 nanoseconds under another name.
            throttled_us: value("throttled_usec")
                .or_else(|| value("throttled_time").map(|ns| ns / 1000))
                .unwrap_or(0),
        })
    }
}

/// The number after a name that begins a line.
fn value_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.trim().parse().ok())
}

/// What a quota has cost so far; see [`Quota::throttling`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttling {
    /// Periods in which the group wanted to run.
    pub periods: u64,
    /// Periods in which it was stopped before their end.
    pub throttled_periods: u64,
    /// Time its threads spent stopped, in microseconds, summed over CPUs.
    pub throttled_us: u64,
}

/// One cgroup file system, as `/proc/self/mountinfo` tells it.
struct Mount {
    /// The directory of the hierarchy that is mounted: `/` unless it is a bind mount into a container.
    root: String,
    /// Where it is mounted.
    point: String,
    version: Version,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// The tightest quota on this process, under a file-system root (`/`, or a fixture's).
pub(crate) fn read(root: &Path) -> Result<Option<Quota>> {
    let (Some(mounts), Some(groups)) =
        (text_of(&root.join("proc/self/mountinfo"))?, text_of(&root.join("proc/self/cgroup"))?)
    else {
        return Ok(None);
    };
    let mut tightest: Option<Quota> = None;
    for mount in mounts.lines().filter_map(parse_mount) {
        let Some(group) = groups.lines().find_map(|line| group_path(line, mount.version)) else { continue };
        for quota in
            ancestors(root, &mount, group).filter_map(|dir| read_group(&dir, mount.version).transpose())
        {
            let quota = quota?;
            // quota/period compared without division: a/b < c/d.
            let tighter = tightest.as_ref().is_none_or(|best| {
                u128::from(quota.quota_us) * u128::from(best.period_us)
                    < u128::from(best.quota_us) * u128::from(quota.period_us)
            });
            if tighter {
                tightest = Some(quota);
            }
        }
    }
    Ok(tightest)
}

/// A line of mountinfo, where it is a cgroup2 mount or the v1 mount of the `cpu` controller.
///
/// `36 35 98:0 /root /mount/point rw,noatime shared:1 - cgroup2 cgroup2 rw` (any number of optional fields
/// before the dash).
fn parse_mount(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ').skip(3);
    let (root, point) = (unescape(before.next()?), unescape(before.next()?));
    let mut after = after.split(' ');
    let version = match after.next()? {
        "cgroup2" => Version::V2,
        "cgroup" if after.nth(1)?.split(',').any(|option| option == "cpu") => Version::V1,
        _ => return None,
    };
    Some(Mount { root, point, version })
}

/// The kernel writes blanks and backslashes in paths as three octal digits.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

/// This process's group in the hierarchy, from a line of `/proc/self/cgroup`: `0::/path` or `3:cpu,cpuacct:/path`.
fn group_path(line: &str, version: Version) -> Option<&str> {
    let (id, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    let ours = match version {
        Version::V2 => id == "0" && controllers.is_empty(),
        Version::V1 => controllers.split(',').any(|controller| controller == "cpu"),
    };
    ours.then_some(path)
}

/// The directories from the process's group up to the mount point, innermost first.
fn ancestors<'a>(root: &Path, mount: &'a Mount, group: &'a str) -> impl Iterator<Item = PathBuf> + use<'a> {
    // In a container without a cgroup namespace the path is the host's, and the mount starts somewhere inside it.
    let inside = match mount.root.as_str() {
        "/" => group,
        prefix => group.strip_prefix(prefix).unwrap_or(""),
    };
    let point = root.join(mount.point.trim_start_matches('/'));
    // `..` stands in the path where the process was moved outside its namespace: only the mount point is ours to see.
    let inside = if inside.split('/').any(|part| part == "..") { "" } else { inside };
    let mut parts: Vec<&str> = inside.split('/').filter(|part| !part.is_empty()).collect();
    let mut done = false;
    std::iter::from_fn(move || {
        if done {
            return None;
        }
        let dir = parts.iter().fold(point.clone(), |dir, part| dir.join(part));
        done = parts.pop().is_none();
        Some(dir)
    })
}

/// What a file says; `None` where there is no such file, or none for us to read.
///
/// That nothing can be read for the moment is another matter: whoever took it for "no limit" would lift one just
/// when the process has more to do than it can.
fn text_of(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(os) if matches!(os.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM)) => {
            Err(Error::system(format!("cannot read {} now", path.display()), os))
        }
        Err(_) => Ok(None),
    }
}

/// The limit one group sets; `None` where it sets none, or has no such file (the root group).
fn read_group(dir: &Path, version: Version) -> Result<Option<Quota>> {
    let read = |name: &str| text_of(&dir.join(name));
    let (quota, period) = match version {
        Version::V2 => match read("cpu.max")? {
            Some(text) => {
                let mut fields = text.split_whitespace().map(str::to_owned);
                (fields.next().unwrap_or_default(), fields.next().unwrap_or_else(|| "100000".into()))
            }
            None => return Ok(None),
        },
        Version::V1 => match (read("cpu.cfs_quota_us")?, read("cpu.cfs_period_us")?) {
            (Some(quota), Some(period)) => (quota.trim().to_owned(), period.trim().to_owned()),
            _ => return Ok(None),
        },
    };
    if quota == "max" || quota == "-1" {
        return Ok(None);
    }
    match (quota.parse::<u64>(), period.parse::<u64>()) {
        (Ok(quota_us), Ok(period_us)) if period_us > 0 => {
            Ok(Some(Quota { quota_us, period_us, group: dir.to_owned() }))
        }
        _ => Err(Error::new(
            Kind::Invalid,
            format!("cannot read the CPU quota of {}: `{quota}` in `{period}`", dir.display()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_lines_with_optional_fields_and_blanks_are_read() {
        let mount =
            parse_mount("31 23 0:28 /a\\040b /sys/fs/cgroup rw shared:9 master:1 - cgroup2 cgroup2 rw")
                .unwrap();
        assert_eq!((mount.root.as_str(), mount.point.as_str()), ("/a b", "/sys/fs/cgroup"));
        assert!(mount.version == Version::V2);
        assert!(
            parse_mount("32 31 0:29 / /x rw - cgroup cgroup rw,cpu,cpuacct").unwrap().version == Version::V1
        );
        assert!(parse_mount("33 31 0:30 / /x rw - cgroup cgroup rw,cpuacct").is_none());
        assert!(parse_mount("33 31 0:30 / /x rw - tmpfs tmpfs rw").is_none());
    }

    #[test]
    fn a_quota_below_one_cpu_still_lets_one_thread_run() {
        let quota = |quota_us| Quota { quota_us, period_us: 100_000, group: PathBuf::new() };
        assert_eq!(quota(50_000).whole_cpus(), 1);
        assert_eq!(quota(150_000).whole_cpus(), 1);
        assert_eq!(quota(250_000).whole_cpus(), 2);
        assert_eq!(quota(0).whole_cpus(), 1);
        assert_eq!(quota(250_000).cpus(), 2.5);
    }

    #[test]
    fn groups_are_walked_from_the_process_up_to_the_mount_point() {
        let walk = |root: &str, group: &str| {
            let mount = Mount { root: root.into(), point: "/cg".into(), version: Version::V2 };
            ancestors(Path::new("/fix"), &mount, group).collect::<Vec<_>>()
        };
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(walk("/", "/a/b"), paths(&["/fix/cg/a/b", "/fix/cg/a", "/fix/cg"]));
        assert_eq!(walk("/", "/"), paths(&["/fix/cg"]));
        assert_eq!(walk("/docker/1", "/docker/1/x"), paths(&["/fix/cg/x", "/fix/cg"]));
        assert_eq!(walk("/docker/1", "/elsewhere"), paths(&["/fix/cg"]));
        assert_eq!(walk("/", "/../other"), paths(&["/fix/cg"]));
    }
}
