#!/usr/bin/env bash
# The real thing on real nodes: boots Linux kernels that have several NUMA nodes (QEMU, without KVM), and runs
# the guest program (`guest/`) inside, which checks what Heddle says and does there against what was booted.
#
#   tests/vm/run.sh                    all machines, all checks
#   tests/vm/run.sh 4x2 wide           these machines
#   CHECKS=scheduler:: tests/vm/run.sh het   the checks with this in their name
#   tests/vm/run.sh prepare            fetches what is needed, and no more
#   tests/vm/run.sh shell 4x2          a shell in that machine (busybox; `numa-guest check 4x2`; ends with `poweroff -f`)
#
# The last line says `N passed, 0 failed`. The exit code is 0 only then, or where everything was skipped, loudly,
# because the packages cannot be had; NUMA_VM_REQUIRED=1 makes that a failure.
#
# What it needs comes from Debian's packages (a kernel, busybox, and QEMU where there is none) and is unpacked under
# `target/vm`; nothing is installed, and no rights are needed but for `apt-get update`, once.
#
#   NUMA_VM_TIMEOUT=120                seconds for a boot with all its checks
#   NUMA_VM_ACCEL=tcg,thread=multi     never KVM by itself: a /dev/kvm that opens need not work
#   NUMA_VM_QEMU=/path/to/qemu         another QEMU than the one found; `unpack` for the packaged one in any case
#   NUMA_VM_KERNEL=/path/to/vmlinuz    another kernel than Debian's for clouds (everything must be built in)
set -euo pipefail
cd "$(dirname "$0")/../.."
TARGET=${CARGO_TARGET_DIR:-target}
CACHE=$TARGET/vm
mkdir -p "$CACHE"
CACHE=$(cd "$CACHE" && pwd)
ROOT=$CACHE/packages
exec 9>"$CACHE/lock"
flock 9 # one at a time: they would write into each other's files
ACCEL=${NUMA_VM_ACCEL:-tcg,thread=multi}
LIMIT=${NUMA_VM_TIMEOUT:-120}

# --- packages ---------------------------------------------------------------------------------------------------------

has_package() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# Unpacks these packages under ROOT, once each.
unpack() {
    local package
    for package in "$@"; do
        [ -e "$CACHE/have/$package" ] && continue
        rm -rf "$CACHE/fetch" && mkdir -p "$CACHE/fetch" "$CACHE/have" "$ROOT"
        (cd "$CACHE/fetch" && apt-get -qq -o APT::Sandbox::User=root download "$package") || return 1
        dpkg -x "$CACHE"/fetch/*.deb "$ROOT" || return 1
        touch "$CACHE/have/$package"
    done
    rm -rf "$CACHE/fetch"
}

# A package and those it depends on that are not installed, as names.
missing_with_dependencies() {
    local package
    apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
        --no-enhances "$1" | grep -E '^[a-z0-9]' | sort -u | while read -r package; do
        has_package "$package" || echo "$package"
    done
}

# The lists of packages, where apt has none (a fresh container) or old ones. Once a run.
UPDATED=
update_lists() {
    [ "$UPDATED" ] || apt-get update -qq || return 1
    UPDATED=yes
}

find_busybox() {
    BUSYBOX=/bin/busybox
    if [ -x $BUSYBOX ] && ! ldd $BUSYBOX >/dev/null 2>&1; then return; fi
    unpack busybox-static && BUSYBOX=$ROOT/bin/busybox
}

find_kernel() {
    KERNEL=${NUMA_VM_KERNEL:-$CACHE/vmlinuz}
    if [ -s "$KERNEL" ]; then return; fi
    [ -z "${NUMA_VM_KERNEL:-}" ] || { echo "there is no $KERNEL" >&2; return 1; }
    local package
    package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image-/ { print $2; exit }')
    [ -n "$package" ] && unpack "$package" && cp "$ROOT"/boot/vmlinuz-* "$CACHE/vmlinuz"
}

find_qemu() {
    QEMU=${NUMA_VM_QEMU:-$(command -v qemu-system-x86_64 || echo unpack)}
    if [ "$QEMU" != unpack ]; then return; fi
    # Unpacked, not installed: other packages of QEMU that are here already, of another release, would forbid that.
    local packages
    packages=$(missing_with_dependencies qemu-system-x86) || return 1
    # shellcheck disable=SC2086
    unpack qemu-system-x86 qemu-system-common qemu-system-data seabios $packages || return 1
    local libraries
    libraries=$(find "$ROOT" -name '*.so*' -printf '%h\n' | sort -u | tr '\n' ':')
    cat >"$CACHE/qemu" <<I
#!/bin/sh
LD_LIBRARY_PATH='$libraries' exec '$ROOT/usr/bin/qemu-system-x86_64' -L '$ROOT/usr/share/qemu' -L '$ROOT/usr/share/seabios' "\$@"
I
    chmod +x "$CACHE/qemu"
    QEMU=$CACHE/qemu
}

# Finds all of it, or says in WHY what it is that cannot be had.
prepare() {
    local find
    WHY="the guests are x86-64, this machine is $(uname -m)"
    [ "$(uname -m)" = x86_64 ] || return 1
    for find in find_busybox find_kernel find_qemu; do
        # Lists that are older than the archive name files that are gone: then once more with new ones.
        $find 2>"$CACHE/why" || { update_lists && $find; } 2>"$CACHE/why" || {
            WHY="$find failed: $(tail -n 5 "$CACHE/why")"
            return 1
        }
    done
}

# --- guest ------------------------------------------------------------------------------------------------------------

# An initramfs of busybox, these programs and the libraries they are linked to. The same for all machines.
pack() {
    local program root library
    root=$CACHE/initramfs
    rm -rf "$root" && mkdir -p "$root"/{bin,proc,sys,dev,tmp}
    cp "$BUSYBOX" "$root/bin/busybox"
    for applet in $("$BUSYBOX" --list | grep -vx busybox); do ln -s busybox "$root/bin/$applet"; done
    for program in "$@"; do
        strip -o "$root/bin/${program##*/}" "$program" 2>/dev/null || cp "$program" "$root/bin"
        for library in $(ldd "$program" | grep -oE '/[^ )]+'); do
            mkdir -p "$root$(dirname "$library")" && cp -L "$library" "$root$library"
        done
    done
    cat >"$root/init" <<'I'
#!/bin/sh
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs tmp /tmp
mount -t cgroup2 none /sys/fs/cgroup
echo "+cpuset +cpu +memory" >/sys/fs/cgroup/cgroup.subtree_control
for word in $(cat /proc/cmdline); do
    case $word in machine=*) machine=${word#*=} ;; checks=*) checks=${word#*=} ;; patience=*) patience=${word#*=} ;; shell) shell=yes ;; esac
done
# Where a boot does not come to its end and the check's own watchdog says nothing: what all threads do and all CPUs.
watch() {
    sleep "$patience"
    echo "not at its end after $patience s"
    for task in $(for process in $(pidof numa-guest); do echo /proc/$process/task/*; done); do
        echo "$task $(cat $task/comm) $(grep State $task/status) $(cat $task/schedstat) $(cat $task/syscall)"
        cat $task/stack
    done
    grep . /sys/fs/cgroup/*/cpu.max /sys/fs/cgroup/*/cpu.stat
    dmesg -n 8
    echo 1 >/proc/sys/kernel/sysrq && echo l >/proc/sysrq-trigger
    sleep 1
    cat /proc/timer_list
}
if [ "$shell" ]; then
    setsid cttyhack sh
else
    watch &
    numa-guest check "$machine" $checks
    code=$?
    [ $code = 0 ] || dmesg | tail -n 60
    echo "@@RC $code"
fi
poweroff -f
I
    chmod +x "$root/init"
    (cd "$root" && find . | "$BUSYBOX" cpio -o -H newc -R 0:0 2>/dev/null | gzip -1) >"$CACHE/initramfs.gz"
}

# boot MACHINE SERIAL WORD...: runs QEMU, with these words for /init on the kernel's command line.
boot() {
    local machine=$1 serial=$2 arguments words
    shift 2
    arguments=$("$GUEST" qemu "$machine") words=$("$GUEST" kernel "$machine")
    # shellcheck disable=SC2086
    "$QEMU" 9>&- -accel "$ACCEL" -cpu max,vendor=GenuineIntel $arguments -nodefaults -no-user-config -display none -no-reboot \
        -serial "$serial" -kernel "$KERNEL" -initrd "$CACHE/initramfs.gz" \
        -append "console=ttyS0 quiet loglevel=2 panic=-1 mitigations=off machine=$machine $words $*"
}

# QEMU ends well after a kernel panic too: only what the guest said counts.
check() {
    local machine=$1 log=$CACHE/$1.log began=$EPOCHREALTIME took
    rm -f "$log"
    export -f boot
    export GUEST QEMU ACCEL KERNEL CACHE
    timeout -k 5 "$LIMIT" bash -c 'boot "$@"' boot "$machine" "file:$log" "checks=${CHECKS:-} patience=$((LIMIT * 2 / 3))" </dev/null || true
    took=$(awk "BEGIN { printf \"%.1f\", $EPOCHREALTIME - $began }")
    touch "$log"
    sed -i 's/\r//g' "$log"
    local good bad
    good=$(grep -ac '^@@ok ' "$log" || true)
    bad=$(grep -ac '^@@FAILED ' "$log" || true)
    grep -aE '^@@(ok|FAILED|left out) ' "$log" | sed "s/^@@/$machine: /" || true
    if grep -aqx '@@RC 0' "$log" && [ "$bad" = 0 ]; then
        echo "$machine: $good checks passed, $took s from power on to power off"
    else
        [ "$bad" != 0 ] || bad=1 # it did not come to its end
        echo "$machine: FAILED after $took s of at most $LIMIT; all it said:"
        cat "$log"
        # It was given up, and a shell beside the checks should have said more. A kernel that panics ends sooner.
        if [ "$LIMIT" -ge 60 ] && [ "${took%.*}" -ge "$LIMIT" ] && ! grep -aq -e '^@@RC' -e '^not at its end' "$log"; then
            echo "$machine: the whole guest stood still, a sleep outside of the checks too: look at QEMU and its kernel"
        fi
    fi
    passed=$((passed + good)) failed=$((failed + bad))
}

# --- all --------------------------------------------------------------------------------------------------------------

if ! prepare; then
    echo "NUMA guests cannot be booted here: $WHY"
    if [ "${NUMA_VM_REQUIRED:-}" = 1 ]; then
        echo "0 passed, 1 failed: NUMA_VM_REQUIRED is set"
        exit 1
    fi
    echo "SKIPPED: nothing was checked on several NUMA nodes"
    echo "0 passed, 0 failed, all skipped"
    exit 0
fi

if [ "${1:-}" = prepare ]; then
    echo "kernel $KERNEL, QEMU $QEMU, busybox $BUSYBOX"
    exit
fi
cargo build --release --locked -p heddle-tests --bin numa-guest
cargo build --release --locked -p heddle-benches
GUEST=$TARGET/release/numa-guest
pack "$GUEST" "$TARGET/release/heddle-benches"

if [ "${1:-}" = shell ]; then
    flock -u 9
    boot "${2:-4x2}" mon:stdio shell
    exit
fi

machines=$("$GUEST" machines)
for machine in "$@"; do
    grep -qxF -- "$machine" <<<"$machines" || { echo "there is no machine $machine, only:" $machines; exit 2; }
done
passed=0 failed=0
for machine in ${*:-$machines}; do check "$machine"; done
# A name that no check has must not look like success.
[ "$passed" -gt 0 ] || failed=$((failed > 0 ? failed : 1))
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
