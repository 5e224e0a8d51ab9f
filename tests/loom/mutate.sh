#!/usr/bin/env bash
# Checks the checker: weakens each ordering of the lock-free protocols in turn, and expects a model to fail.
#
#     tests/loom/mutate.sh [FILE[:LINE]]     all, or those of one file or line; JOBS=n at a time, else one a CPU
#
# A mutant is the models and the production files with one change in one place:
#   Acquire, Release -> Relaxed;  AcqRel, SeqCst -> Acquire and -> Release
#   a fence, light_barrier() or heavy_barrier() -> nothing
# "caught" is what should be. Whatever else becomes of one fails the script, unless survivors.txt has it with its
# reason; and so does a reason without a survivor.
#
# All mutants are in one program, built once: each place asks mutant.rs, which knows from the environment which of
# them this process is. Each model is run once as it is, with one preemption, and says which places it reaches. For
# the mutants of those it is run again until one fails: all with one preemption, the quickest first, then all with as
# many as they are written for. A model that does not end within its seconds of CPU time decides nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."
export WORK=${CARGO_TARGET_DIR:-$PWD/target}/mutants
export LOOM_MAX_BRANCHES=20000 RUST_BACKTRACE=0
ONLY=${1:-}
JOBS=${JOBS:-$(nproc)}
# All that the models compile of the other crates.
mapfile -t FILES < <(grep -rhoE 'path = "[./]*(scheduler|jsbridge)/src/[^"]+' tests/loom --include='*.rs' |
    grep -oE '(scheduler|jsbridge)/src/.*' | sort -u)

# ---- the program ---------------------------------------------------------------------------------------------------

rm -rf "$WORK/crate/tests" "$WORK/crate/scheduler" "$WORK/crate/jsbridge" "$WORK/reach" "$WORK/took"
mkdir -p "$WORK/crate/tests" "$WORK/crate/src" "$WORK/reach" "$WORK/took"
cp -r tests/loom "$WORK/crate/tests/loom"
cp Cargo.lock "$WORK/crate/Cargo.lock"
: >"$WORK/crate/src/lib.rs"
printf '\nmod mutant;\n' >>"$WORK/crate/tests/loom/main.rs"
cat >"$WORK/crate/Cargo.toml" <<TOML
[package]
name = "mutants"
version = "0.0.0"
edition = "2024"
[dev-dependencies]
loom = "0.7"
[[test]]
name = "loom"
path = "tests/loom/main.rs"
[profile.test]
opt-level = 2
debug = false
[workspace]
TOML

# Writes each file with a question in each place, and appends to the list: number|file|line|kind|text. Comments, and
# tests at the end of a file, have no places.
: >"$WORK/list"
for file in "${FILES[@]}"; do
    mkdir -p "$(dirname "$WORK/crate/$file")"
    awk -v file="$file" -v list="$WORK/list" -v id="$(wc -l <"$WORK/list")" '
        function note(kind) { id++; print id "|" file "|" FNR "|" kind "|" text >>list; return id }
        /^#\[cfg\(test\)\]/ { tests = 1 }
        tests || /^ *(\/\/|use |pub\(crate\) use )/ { print; next }
        {
            text = $0; sub(/^ */, "", text)
            if (match($0, /(self\.)?(light|heavy)_barrier\(\);/) || match($0, /fence\(Ordering::[A-Za-z]+\);/)) {
                call = substr($0, RSTART, RLENGTH)
                kind = call ~ /light/ ? "no light barrier" : call ~ /heavy/ ? "no heavy barrier" : "no fence"
                print substr($0, 1, RSTART - 1) "if !crate::mutant::is(" note(kind) ") { " call " }" substr($0, RSTART + RLENGTH)
                next
            }
            rest = $0; out = ""
            while (match(rest, /Ordering::(AcqRel|Acquire|Release|SeqCst)/)) {
                is = substr(rest, RSTART, RLENGTH)
                out = out substr(rest, 1, RSTART - 1)
                rest = substr(rest, RSTART + RLENGTH)
                name = substr(is, 11)
                if (name == "AcqRel" || name == "SeqCst") {
                    a = note(name "->Acquire"); r = note(name "->Release")
                    out = out "crate::mutant::or(" a ", Ordering::Acquire, crate::mutant::or(" r ", Ordering::Release, " is "))"
                } else {
                    out = out "crate::mutant::or(" note(name "->Relaxed") ", Ordering::Relaxed, " is ")"
                }
            }
            print out rest
        }' "$file" >"$WORK/crate/$file"
done
echo "$(wc -l <"$WORK/list") mutants of ${#FILES[@]} files"

BINARY=$(cd "$WORK/crate" && RUSTFLAGS="-Awarnings" CARGO_TARGET_DIR="$WORK/target" \
    cargo test --no-run --test loom --message-format=json-render-diagnostics 2>"$WORK/build.log" |
    grep -oE '"executable":"[^"]+"' | cut -d'"' -f4) || { tail -40 "$WORK/build.log"; exit 1; }
export BINARY
echo "built after $SECONDS s"

# ---- the models as they are ----------------------------------------------------------------------------------------

# Runs one model as it is: what it reaches, and how many ms it takes.
model() {
    local begin end
    begin=$(date +%s%N)
    if ! MUTANT_REACH="$WORK/reach/$1" LOOM_MAX_PREEMPTIONS=1 "$BINARY" --exact "$1" --test-threads 1 >"$WORK/model.$1" 2>&1; then
        tail -20 "$WORK/model.$1"
        echo "fails without a mutation: $1"
        exit 255
    fi
    rm "$WORK/model.$1"
    end=$(date +%s%N)
    echo $(((end - begin) / 1000000)) >"$WORK/took/$1"
    touch "$WORK/reach/$1"
}
export -f model
"$BINARY" --list --format terse | sed -n 's/: test$//p' | xargs -P "$JOBS" -I{} bash -c 'model "$1"' _ {}
echo "$(find "$WORK/took" -type f | wc -l) models pass, after $SECONDS s"

# ---- the mutants ---------------------------------------------------------------------------------------------------

# number|file|line|kind|text -> verdict|number|by which model
judge() {
    local id=${1%%|*} verdict=survived by="" bound name status models
    # Twenty times what the slowest model takes; SIGXCPU ends what takes more.
    ulimit -t 200
    # The shell tells of each that aborts.
    exec 2>/dev/null
    mapfile -t models < <(cd "$WORK/reach" && grep -lx "$id" -- * |
        while read -r name; do echo "$(cat "$WORK/took/$name") $name"; done | sort -n | cut -d' ' -f2)
    if [ "${#models[@]}" -eq 0 ]; then verdict="not reached"; fi
    for bound in 1 ""; do
        for name in "${models[@]}"; do
            status=0
            env ${bound:+LOOM_MAX_PREEMPTIONS=$bound} MUTANT="$id" "$BINARY" --exact "$name" --test-threads 1 >/dev/null 2>&1 || status=$?
            case $status in
                0) ;;
                137 | 152) verdict=undecided by=$name ;;
                *) echo "caught|$id|$name"; return ;;
            esac
        done
    done
    echo "$verdict|$id|$by"
}
export -f judge
awk -F'|' -v only="$ONLY" 'only == "" || only == $2 || only == $2 ":" $3' "$WORK/list" |
    tr '\n' '\0' | xargs -0 -P "$JOBS" -I{} bash -c 'judge "$1"' _ {} >"$WORK/verdicts"

# ---- what survived, and who is excused -----------------------------------------------------------------------------

caught=0 excused=0 failed=0 used=()
while IFS='|' read -r verdict id by; do
    IFS='|' read -r _ file line kind text < <(sed -n "${id}p" "$WORK/list")
    excuse=""
    if [ "$verdict" != caught ]; then
        # Lines are named by their text, as numbers move.
        around=$(sed -n "$((line > 2 ? line - 2 : 1)),${line}p" "$file" | tr '\n' ' ')
        while IFS='|' read -r e_file e_part e_kind e_reason; do
            case "$e_file" in '' | '#'*) continue ;; esac
            if [ "$e_file" = "$file" ] && [[ "$around" == *"$e_part"* ]] && [ "$e_kind" = "$kind" ]; then
                excuse=$e_reason
                used+=("$e_file|$e_part|$e_kind|$e_reason")
            fi
        done <tests/loom/survivors.txt
    fi
    case "$verdict:$excuse" in
        caught:*) caught=$((caught + 1)) ;;
        *:) failed=$((failed + 1)) ;;
        *) verdict=excused excused=$((excused + 1)) ;;
    esac
    printf '%-11s %-40s %-17s %s\n' "$verdict" "$file:$line" "$kind" "${excuse:-${by:+$by: }$text}"
done < <(sort -t'|' -k2n "$WORK/verdicts")
idle=0
if [ -z "$ONLY" ]; then
    while IFS= read -r entry; do
        case "$entry" in '' | '#'*) continue ;; esac
        if ! printf '%s\n' "${used[@]:-}" | grep -qxF -- "$entry"; then
            echo "no such survivor: $entry"
            idle=$((idle + 1))
        fi
    done <tests/loom/survivors.txt
fi
echo "$caught caught, $excused excused, $failed not caught, $SECONDS s"
[ "$((caught + excused))" -gt 0 ] && [ "$failed" -eq 0 ] && [ "$idle" -eq 0 ]
