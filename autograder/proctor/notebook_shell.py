"""What a notebook's script has in IPython's place: `get_ipython()`, with the magics that a training can depend on.

Called by `run_script.comforts`. `%%writefile` writes, `%run` runs, `%%time`, `%%capture` and their like run what is in
them. `!command` runs only `python FILE.py` and commands on the script's own files (`OWN_FILES`). `%%bash` and `name =
!command`, whose output a script may need, run whatever doesn't install or download (`FETCHERS`): there is no network
here. Everything else that IPython offers changes how a notebook looks, and does nothing here.
"""

import builtins
import contextlib
import itertools
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autograder.course import magics
from autograder.proctor.processes import INSTALLERS

OWN_FILES = ("mkdir", "cp", "mv", "rm", "ls", "cat", "echo", "touch", "unzip", "tar", "pwd", "head", "wc")
BEFORE = ("time", "nohup", "exec", "env", "!")  # what may stand before a command
_REDIRECTED = re.compile(r"\s[\d&]?(?:>>?|<)\s*(?:&\d|[^\s;|&]+)")  # `> log.txt`, `2>&1`
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
            for runs_files, lines in itertools.groupby(rest, _runs_a_file):
                for text in lines if runs_files else ["\n".join(lines)]:
                    if runs_files:
                        self._in_process(text)
                    else:
                        print("\n".join(_output(text)))
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
        self._command(self._filled_in(line))

    system_raw = system_piped = system

    def _command(self, line: str) -> None:
        if _runs_a_file(line):
            self._in_process(line)
            return
        command = line.split()[0] if line.split() else ""
        if command in OWN_FILES:
            print("\n".join(_output(line)))
        elif command:
            print(f"[proctor] not run here: !{line}")

    def _filled_in(self, line: str) -> str:
        """`line` with the values of the script's names in `{name}` and `$name`."""

        def value(found: "re.Match[str]") -> str:
            try:
                return str(self.user_ns[found[2]] if found[2] else eval(found[1], self.user_ns))
            except Exception:  # a name of the shell's, or an expression that isn't one
                return found[0]

        return re.sub(r"\{([^{}]+)\}|\$([A-Za-z_]\w*)", value, line)

    def _in_process(self, line: str) -> None:
        """Run the Python files of a command's line in this process, where they are seen; go where it goes meanwhile."""
        here = Path.cwd()
        try:
            for words in _commands(line):
                if words[0] == "cd" and len(words) > 1:
                    os.chdir(Path(words[1]).expanduser())
                elif (file := _file_of(words)) is not None:
                    self._run_file(shlex.join(file))
                else:
                    self._command(shlex.join(words))
        finally:
            os.chdir(here)

    def getoutput(self, line: str, *_args: Any, **_kwargs: Any) -> Lines:
        """`name = !line`: what the command printed, by lines; nothing where it can't be run."""
        return _output(self._filled_in(line))

    # --- everything else ---

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_args, **_kwargs: None


def _output(line: str) -> Lines:
    """What a command prints, by lines; nothing where it can't be run."""
    if line.split()[:1] and line.split()[0] in FETCHERS:
        return Lines()
    with contextlib.suppress(OSError, subprocess.SubprocessError, ValueError):
        done = subprocess.run(
            line, shell=True, capture_output=True, text=True, errors="replace", timeout=COMMAND_S, check=False
        )
        return Lines((done.stdout + done.stderr).splitlines())
    return Lines()


def _commands(line: str) -> list[list[str]]:
    """The words of each command in a line, without what its output goes to; [] where the line can't be read."""
    lexer = shlex.shlex(_REDIRECTED.sub(" ", line), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    found: list[list[str]] = [[]]
    ignoring = False
    try:
        for word in lexer:
            if word in ("&&", "||", ";", "&"):
                found.append([])
                ignoring = False
            elif set(word) <= set("|&()"):
                ignoring = True
            elif not ignoring:
                found[-1].append(word)
    except ValueError:  # a quote that isn't closed
        return []
    return [words for words in found if words]


def _file_of(words: list[str]) -> list[str] | None:
    """The Python file that a command runs, and its arguments: of `A=1 time python -u FILE.py ...`; None for none."""
    words = list(itertools.dropwhile(lambda word: word in BEFORE or re.fullmatch(r"[A-Za-z_]\w*=.*", word), words))
    if not words or not re.fullmatch(r"(?:python|torchrun)[\d.]*", Path(words[0]).stem):
        return None
    at = next((at for at, word in enumerate(words) if word.endswith(".py")), 0)
    return words[at:] if at and all(word.startswith("-") for word in words[1:at]) else None


def _runs_a_file(line: str) -> bool:
    return any(_file_of(words) is not None for words in _commands(line))


def _split(line: str) -> tuple[str, str]:
    name, _, rest = line.strip().lstrip("%").partition(" ")
    return name, rest


def stand_in() -> Shell:
    """Put a shell in IPython's place: `get_ipython()` and `display()` are there, as in every cell."""
    shell = Shell()
    builtins.get_ipython = lambda: shell  # type: ignore[attr-defined]
    builtins.display = lambda *shown, **_: print(*shown)  # type: ignore[attr-defined]
    return shell
