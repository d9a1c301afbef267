"""Why bubblewrap can't work on a machine, made real where that can be done without touching it; and what mends it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.errors import KitError
from autograder.sandbox import remedies, sandbox

ROOT = Path(__file__).parents[2]
# What bubblewrap prints: 0.8 on Debian 12 (the first), and 0.9 on Ubuntu 24.04, whose AppArmor restricts it.
NESTING = "bwrap: Creating new namespace failed: nesting depth or /proc/sys/user/max_*_namespaces exceeded (ENOSPC)"
UBUNTU = "bwrap: setting up uid map: Permission denied"


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of a kernel that allows everything, for a test to change."""
    monkeypatch.delenv("container", raising=False)
    for name, number in {"user/max_user_namespaces": 96365, "kernel/apparmor_restrict_unprivileged_userns": 0}.items():
        (tmp_path / "proc/sys" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "proc/sys" / name).write_text(f"{number}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("file", "content", "problem", "name", "paste"),
    [
        ("proc/sys/user/max_user_namespaces", "0\n", NESTING, "limit", "user.max_user_namespaces = 15000"),
        (
            "proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1\n",
            UBUNTU,
            "apparmor",
            "sudo apparmor_parser -r /etc/apparmor.d/bwrap",
        ),
        ("proc/sys/kernel/unprivileged_userns_clone", "0\n", NESTING, "root-only", "unprivileged_userns_clone = 1"),
        (".dockerenv", "", NESTING, "container", "--security-opt systempaths=unconfined"),
        ("run/.containerenv", "", NESTING, "container", "podman run --security-opt seccomp=unconfined"),
        ("nothing", "", "bwrap: Unknown option", "unknown", "docs/security.md"),
    ],
)
def test_each_cause_has_its_remedy(file: str, content: str, problem: str, name: str, paste: str, kernel: Path) -> None:
    (kernel / file).parent.mkdir(parents=True, exist_ok=True)
    (kernel / file).write_text(content)
    cause = remedies.find(problem, "/usr/bin/bwrap", kernel)
    assert cause.name == name
    assert paste in cause.remedy
    assert all(len(line) <= 108 for line in cause.remedy.splitlines())


def test_the_profile_is_for_the_bubblewrap_that_is_there(kernel: Path) -> None:
    (kernel / "proc/sys/kernel/apparmor_restrict_unprivileged_userns").write_text("1\n")
    assert (
        "profile bwrap /opt/bin/bwrap flags=(unconfined) {\n  userns,"
        in remedies.find("", "/opt/bin/bwrap", kernel).remedy
    )


def test_a_namespace_without_namespaces_is_told_for_real() -> None:
    """In a user namespace of its own, which a limit of 0 is set for, nothing of this machine is touched."""
    tried = subprocess.run(["unshare", "--user", "--map-root-user", "true"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("no user namespaces here at all")
    look = "from autograder.sandbox import sandbox; print(sandbox.why_not().name)"
    script = f"echo 0 > /proc/sys/user/max_user_namespaces && exec {sys.executable} -c '{look}'"
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.stdout == "limit\n", done.stderr


@pytest.fixture
def ubuntu(kernel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bubblewrap that answers as under Ubuntu's AppArmor, and a kernel that says why."""
    (kernel / "proc/sys/kernel/apparmor_restrict_unprivileged_userns").write_text("1\n")
    bwrap = tmp_path / "bin" / "bwrap"
    bwrap.parent.mkdir()
    bwrap.write_text(f"#!/bin/sh\necho '{UBUNTU}' >&2\nexit 1\n")
    for path in (*bwrap.parents, bwrap):
        if path.is_relative_to(tmp_path.parents[1]):
            path.chmod(0o755)  # a run as root has a user of its own, who has to reach it
    which, find = shutil.which, remedies.find
    monkeypatch.setattr(shutil, "which", lambda name, **how: str(bwrap) if name == "bwrap" else which(name, **how))
    monkeypatch.setattr(remedies, "find", lambda problem, path: find(problem, path, kernel))
    return bwrap


def test_others_files_are_refused_and_ones_own_runs(ubuntu: Path) -> None:
    for name in (None, "auto", "bwrap"):
        with pytest.raises(KitError, match="AppArmor keeps programs") as refused:
            sandbox.choose(name)
        assert f"profile bwrap {ubuntu} " in refused.value.hint
        assert refused.value.hint.endswith("or say --sandbox none on purpose: they then run with your own rights")
    with pytest.raises(KitError):
        sandbox.choose("bwrap", own=True)
    assert sandbox.choose(own=True) == sandbox.Sandbox("none", sandbox.OWN_RIGHTS)


def test_one_that_is_missing_is_told_from_one_that_cannot_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(KitError, match="bubblewrap is not installed") as refused:
        sandbox.choose()
    assert "sudo apt-get install bubblewrap" in refused.value.hint


# A Python that knows what AppArmor does until there is a profile; the rest of the set-up has been done.
_PYTHON = """\
case "$*" in
    *PROFILE*) echo "a profile for $3";;
    *says*) echo "note: AppArmor";;
    *why_not*) if [ -e "$APPARMOR_PROFILES/loaded" ]; then echo; else echo apparmor; fi;;
esac
"""


@pytest.mark.parametrize(("uid", "given"), [(0, True), (1000, False)])
def test_setup_gives_bubblewrap_a_profile_where_it_is_root(uid: int, given: bool, tmp_path: Path) -> None:
    shutil.copyfile(ROOT / "setup.sh", tmp_path / "setup.sh")
    profiles, programs = tmp_path / "apparmor.d", tmp_path / "bin"
    for folder in (profiles, programs, tmp_path / ".venv" / "bin"):
        folder.mkdir(parents=True)
    scripts = {programs / "id": f"echo {uid}", programs / "bwrap": "exit 1", tmp_path / ".venv/bin/python": _PYTHON}
    scripts[programs / "apparmor_parser"] = f'[ "$1 $2" = "-r {profiles}/bwrap" ] && : >{profiles}/loaded'
    for path, text in scripts.items():
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    for name in ("dirname", "touch", "rm", "sh"):
        (programs / name).symlink_to(shutil.which(name) or name)
    done = subprocess.run(
        ["sh", str(tmp_path / "setup.sh")],
        env={"PATH": str(programs), "APPARMOR_PROFILES": str(profiles)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (profiles / "bwrap").exists() == given
    assert ("installed" in done.stderr) == given
    assert ("note: AppArmor" in done.stderr) != given
    if given:
        assert (profiles / "bwrap").read_text() == f"a profile for {programs}/bwrap\n"
    assert (tmp_path / ".venv" / ".ready").exists()
