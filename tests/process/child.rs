//! A test that runs itself again in a child process.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

const VARIABLE: &str = "HEDDLE_CHILD";

/// How a child ended.
pub(crate) struct Ended {
    pub(crate) signal: Option<i32>,
    pub(crate) success: bool,
    /// Standard output and standard error.
    pub(crate) text: String,
}

/// Is this the child? It ends with the thread that has started it.
pub(crate) fn is_child() -> bool {
    let is_child = std::env::var_os(VARIABLE).is_some();
    if is_child {
        end_with_parent();
    }
    is_child
}

/// What waits for ever would else do that also where nobody waits for it any more.
pub(crate) fn end_with_parent() {
    // SAFETY: takes integers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Runs the test of the caller's name again, as a child.
pub(crate) fn run(variables: &[(&str, &str)]) -> Ended {
    let thread = std::thread::current();
    let test = thread.name().expect("the harness names its threads");
    let watch = heddle_tests::watchdog::watch(test);
    let mut command = Command::new(std::env::current_exe().expect("there is one"));
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.env(VARIABLE, "1").env_remove("RUST_BACKTRACE").envs(variables.iter().copied());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("this very program starts");
    watch.process(child.id());
    let mut errors = child.stderr.take().expect("piped");
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        errors.read_to_end(&mut bytes).map(|_| bytes)
    });
    let output = child.wait_with_output().expect("it ends, or our watchdog ends both");
    drop(watch);
    let errors = reader.join().expect("reading does not panic").expect("a pipe can be read");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&errors));
    Ended { signal: output.status.signal(), success: output.status.success(), text }
}

impl Ended {
    /// It ended by itself, and its test passed.
    pub(crate) fn assert_passed(&self) {
        assert!(self.success, "signal {:?}: {}", self.signal, self.text);
        assert!(self.text.contains("1 passed"), "the child ran nothing: {}", self.text);
    }

    /// It was ended by SIGABRT, and said all this.
    pub(crate) fn assert_aborted(&self, words: &[&str]) {
        assert_eq!(self.signal, Some(libc::SIGABRT), "{}", self.text);
        for word in words {
            assert!(self.text.contains(word), "'{word}' is not in: {}", self.text);
        }
    }
}

/// In the child: no core file of what is going to die.
pub(crate) fn without_core() {
    limit(libc::RLIMIT_CORE, 0);
}

/// Lowers a limit of this process.
pub(crate) fn limit(which: libc::__rlimit_resource_t, most: u64) {
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: the struct is complete, and lowering a limit needs no right.
    let result = unsafe { libc::setrlimit(which, &limit) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// The limits of this process.
fn limits(which: libc::__rlimit_resource_t) -> libc::rlimit {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: writes the struct.
    assert_eq!(unsafe { libc::getrlimit(which, &mut limit) }, 0);
    limit
}

/// What this process may have.
pub(crate) fn soft_limit_of(which: libc::__rlimit_resource_t) -> u64 {
    limits(which).rlim_cur
}

/// Lowers or raises the soft limit, as often as one likes.
pub(crate) fn soft_limit(which: libc::__rlimit_resource_t, most: u64) {
    let mut limit = limits(which);
    limit.rlim_cur = most.min(limit.rlim_max);
    // SAFETY: the struct is complete.
    let result = unsafe { libc::setrlimit(which, &limit) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// Makes this process one of a user who has no other, and no rights: limits on threads do not bind root, and count those
/// of all processes of a user. `false`, and says so: we have no right to do that.
pub(crate) fn become_nobody() -> bool {
    // Nobody else's number while this process lives; where so high ones do not exist (a container's), hardly anybody's.
    let number = std::process::id();
    // SAFETY: the calls take a number.
    let done = unsafe { libc::setuid(1_000_000 + number) == 0 || libc::setuid(60_000 + number % 5_000) == 0 };
    if done {
        // The change has undone it.
        end_with_parent();
    } else {
        println!("SKIPPED: only root can become another user");
    }
    done
}

/// How many threads this process has. One that was joined may be counted, and count, for a moment more.
pub(crate) fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("Linux has it").count()
}

/// From now on the kernel refuses these system calls to this thread and those that it makes. `false`, and
/// says so: there are no such filters here.
pub(crate) fn refuse_calls(calls: &[libc::c_long]) -> bool {
    let rule = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut rules = vec![rule(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0)];
    for &call in calls {
        rules.push(rule(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, call as u32));
        rules.push(rule(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32));
    }
    rules.push(rule(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW));
    let program = libc::sock_fprog { len: rules.len() as u16, filter: rules.as_mut_ptr() };
    // SAFETY: the program lives until the calls return, and is as long as it says.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) == 0
    };
    if !done {
        println!("SKIPPED: no system call filters: {}", std::io::Error::last_os_error());
    }
    done
}
