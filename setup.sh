#!/bin/sh
# `make setup`: a .venv with what requirements.txt pins and the kit itself, and bubblewrap where it may be installed
# without asking. Stopped at any moment and started again, it finishes the job.
set -eu
cd "$(dirname "$0")"

say() {
    printf '%s\n' "$*" >&2
}

# Runs a command as root where that takes no password, and fails otherwise.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        return 1
    fi
}

apt_install() {
    { command -v apt-get && as_root true; } >/dev/null 2>&1 || return 1
    say "installing $1 ..."
    # A fresh system has no package lists yet.
    as_root env DEBIAN_FRONTEND=noninteractive sh -c \
        'apt-get install -qq -y "$1" || { apt-get update -qq && apt-get install -qq -y "$1"; }' sh "$1" >/dev/null 2>&1
}

new_enough='import sys; sys.exit(sys.version_info < (3, 11))'

if ! { .venv/bin/python -c "$new_enough" && .venv/bin/python -m pip --version; } >/dev/null 2>&1; then
    python=
    for candidate in ${PYTHON3:-} python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c "$new_enough" 2>/dev/null; then
            python=$candidate
            break
        fi
    done
    if [ -z "$python" ]; then
        say "error: no Python 3.11 or newer was found"
        say "hint: install one, or name it: make setup PYTHON3=/path/to/python3"
        exit 2
    fi
    # Debian and Ubuntu keep the part that makes virtual environments in a package of its own.
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if ! "$python" -c 'import ensurepip' 2>/dev/null && ! apt_install "$package"; then
        say "error: $python can't make a virtual environment: it comes without ensurepip"
        say "hint: on Debian and Ubuntu: apt-get install $package"
        exit 2
    fi
    say "creating .venv with $("$python" --version) ..."
    "$python" -m venv --clear .venv
fi

say "installing what requirements.txt pins (torch is large: some minutes the first time) ..."
quiet=--quiet
if [ -t 1 ]; then quiet=; fi
.venv/bin/python -m pip install $quiet --disable-pip-version-check -r requirements.txt
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .

# Which of the causes in autograder/sandbox/remedies.py keeps bubblewrap from working here; nothing where it works.
trouble() {
    .venv/bin/python -c "from autograder.sandbox.sandbox import why_not; print(getattr(why_not(), 'name', ''))"
}

# Ubuntu's AppArmor allows user namespaces to programs with a profile only. Root may give bubblewrap one.
give_profile() {
    profiles=${APPARMOR_PROFILES:-/etc/apparmor.d}
    [ "$(id -u)" = 0 ] && [ -d "$profiles" ] && [ ! -e "$profiles/bwrap" ] || return 1
    .venv/bin/python -c "import sys; from autograder.sandbox.remedies import PROFILE
print(PROFILE.format(bwrap=sys.argv[1]), end='')" "$(command -v bwrap)" >"$profiles/bwrap"
    if apparmor_parser -r "$profiles/bwrap" 2>/dev/null; then
        say "installed $profiles/bwrap, an AppArmor profile that lets bubblewrap make user namespaces"
    else
        rm -f "$profiles/bwrap"
        return 1
    fi
}

command -v bwrap >/dev/null || apt_install bubblewrap || true
cause=$(trouble)
if [ "$cause" = apparmor ] && give_profile; then cause=$(trouble); fi
if [ -n "$cause" ]; then
    say "note: other people's submissions can't be graded safely here yet; your own files can be checked"
    .venv/bin/python -c "from autograder.sandbox.sandbox import why_not
if cause := why_not(): print(f'note: {cause.says}\nhint: {cause.remedy}')" >&2
fi
touch .venv/.ready
