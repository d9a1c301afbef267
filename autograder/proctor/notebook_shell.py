"""What a notebook's script has in IPython's place: `get_ipython()`, with the magics that a training can depend on.

Called by `run_script.comforts`. `%%writefile` writes, `%run` runs, `%%time`, `%%capture` and their like run what is in
them. `!command` runs only `python FILE.py` and commands on the script's own files (`OWN_FILES`). `%%bash` and `name =
!command`, whose output a script may need, run whatever doesn't install or download (`FETCHERS`): there is no network
here. Everything else that IPython offers changes how a notebook looks, and does nothing here.
"""

import builtins
import contextlib
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autograder.course import magics
from autograder.proctor.processes import INSTALLERS

OWN_FILES = ("mkdir", "cp", "mv", "rm", "ls", "cat", "echo", "touch", "unzip", "tar", "pwd", "head", "wc")
COMMAND_S = 20  # for a command whose output a script keeps
FETCHERS = (*INSTALLERS, "apt", "apt-get", "npm", "git", "wget", "curl", "gdown", "kaggle")


class Lines(list[str]):
    """What a command printed, by lines: IPython's SList, as far as scripts use it."""

    @property
    def s(self) -> str:
        """All in one line."""
        return " ".join(self)

    @property
    def n(self) -> str:
        """All as it was printed."""
        return "\n".join(self)

    nlstr = n
    spstr = s


class Captured:
    """What `%%capture name` leaves: nothing was captured, it is all in the log."""

    stdout = stderr = ""
    outputs: Sequence[Any] = ()

    def show(self) -> None:
        """It has been shown."""

    def __call__(self) -> None:
        """As `show`."""


class Shell:
    """Stands in IPython's place."""

    kernel = None

    @property
    def user_ns(self) -> dict[str, Any]:
        """The script's names."""
        return vars(sys.modules["__main__"])

    # --- magics ---

    def run_line_magic(self, name: str, line: str, *_args: Any, **_kwargs: Any) -> Any:
        """`%name line`."""
        if name == "run":
            return self._run_file(line)
        if name in ("time", "timeit", "prun"):
            return self._statement(line)
        if name == "cd":
            with contextlib.suppress(OSError):
                os.chdir(Path(line.strip().strip("\"'")).expanduser())
        elif name in ("env", "set_env") and line.strip():
            key, _, value = line.replace("=", " ", 1).strip().partition(" ")
            if value:
                os.environ[key] = value.strip()
        elif name in ("sx", "system"):
            return self.getoutput(line)
        elif name == "captured":  # what `%%capture name` is read as
            return Captured()
        elif name == "pwd":
            return str(Path.cwd())
        elif name in OWN_FILES:  # IPython has them without a `!`
            self.system(f"{name} {line}")
        return None

    def run_cell_magic(self, name: str, line: str, cell: str) -> Any:
        """`%%name line` above `cell`."""
        if name in magics.WRITE_THEIR_BODY:
            words = shlex.split(line)
            append = bool({"-a", "--append"} & set(words))
            path = Path(next(word for word in words if not word.startswith("-"))).expanduser()
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a" if append else "w", encoding="utf-8") as file:
                file.write(cell)
            import importlib

            importlib.invalidate_caches()
        elif name in magics.IN_A_SHELL:
            rest = [one for one in cell.splitlines() if one.split()[:1] and one.split()[0] not in FETCHERS]
            print("\n".join(self.getoutput("\n".join(rest))))
        elif name in magics.RUN_THEIR_BODY:
            self.run_cell(cell)
            words = [word for word in line.split() if not word.startswith("-")]
            if name == "capture" and words:
                self.user_ns[words[0]] = Captured()
        return None

    def run_cell(self, source: str, *_args: Any, **_kwargs: Any) -> None:
        """Run Python in the script's names."""
        exec(compile(source, "<cell>", "exec", dont_inherit=True), self.user_ns)

    run_magic = magic = lambda self, line, *_: self.run_line_magic(*_split(line))

    def _statement(self, line: str) -> Any:
        code = line.strip()
        while code.startswith("-"):  # options
            code = code.partition(" ")[2].strip()
        try:
            return eval(compile(code, "<cell>", "eval", dont_inherit=True), self.user_ns)
        except SyntaxError:
            self.run_cell(code)
            return None

    def _run_file(self, line: str) -> None:
        words = shlex.split(line)
        while words and words[0].startswith("-"):
            words.pop(0)
        if not words:
            return
        path = Path(words[0]).expanduser()
        if not path.exists() and path.suffix != ".py":
            path = path.with_name(path.name + ".py")
        if not path.exists():
            path = Path(sys.path[0], path)
        content = path.read_bytes()
        kept = sys.argv
        sys.argv = [str(path), *words[1:]]
        try:
            exec(compile(content, str(path.resolve()), "exec", dont_inherit=True), self.user_ns)
        finally:
            sys.argv = kept

    # --- the system's shell ---

    def system(self, line: str) -> None:
        """`!line`: run only for a Python file, and for commands on the script's own files."""
        command = line.split()[0] if line.split() else ""
        if command in ("python", "python3"):
            words = line.split()
            if len(words) > 1 and words[1].endswith(".py"):
                self._run_file(" ".join(words[1:]))
                return
        if command in OWN_FILES:
            print("\n".join(self.getoutput(line)))
        elif command:
            print(f"[proctor] not run here: !{line}")

    system_raw = system_piped = system

    def getoutput(self, line: str, *_args: Any, **_kwargs: Any) -> Lines:
        """`name = !line`: what the command printed, by lines; nothing where it can't be run."""
        if line.split()[:1] and line.split()[0] in FETCHERS:
            return Lines()
        with contextlib.suppress(OSError, subprocess.SubprocessError, ValueError):
            done = subprocess.run(
                line, shell=True, capture_output=True, text=True, errors="replace", timeout=COMMAND_S, check=False
            )
            return Lines((done.stdout + done.stderr).splitlines())
        return Lines()

    # --- everything else ---

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_args, **_kwargs: None


def _split(line: str) -> tuple[str, str]:
    name, _, rest = line.strip().lstrip("%").partition(" ")
    return name, rest


def stand_in() -> Shell:
    """Put a shell in IPython's place: `get_ipython()` and `display()` are there, as in every cell."""
    shell = Shell()
    builtins.get_ipython = lambda: shell  # type: ignore[attr-defined]
    builtins.display = lambda *shown, **_: print(*shown)  # type: ignore[attr-defined]
    return shell
