"""Hand-ins with something wrong about the file itself. Most never run."""

import os
import stat
from pathlib import Path

from support.corpus.base import script
from support.corpus.notebooks import notebook
from support.corpus.row import Make, Row, as_honest, harmless_text, row, written

CELLS = script().split("\n\n\n")
BLANKS = 1000


def _folder(folder: Path) -> None:
    (folder / "hw6.py").mkdir()


def _link(folder: Path) -> None:
    (folder / "hw6.py").symlink_to(folder.parent.parent / "gradebook.csv")


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "hw6.py")


def _socket(folder: Path) -> None:
    os.mknod(folder / "hw6.py", stat.S_IFSOCK | 0o644)


def _two_files(folder: Path) -> None:
    written(script(), "first try.py")(folder)
    written(script(end="final = True"), "final version.py")(folder)


def _nothing(folder: Path) -> None:
    pass


def _fifty_megabytes(folder: Path) -> None:
    (folder / "hw6.py").write_bytes((b"# " + b"x" * 97 + b"\n") * 500_000)


def _outputs(megabytes: int) -> Make:
    return lambda folder: written(notebook(CELLS, printed="x" * megabytes * 2**20), "hw6.ipynb")(folder)


def _magics() -> str:
    first, *others = CELLS
    cells = ["!pip install torch\n%matplotlib inline", "%%time\n" + first, *others, "!ls -l", "%time net.eval()"]
    return notebook(cells)


ROWS: tuple[Row, ...] = (
    # encodings
    row("empty", "no bytes at all", b"", "EMPTY"),
    row("only-bom", "a byte order mark and nothing behind it", b"\xef\xbb\xbf\n", "EMPTY"),
    row("only-comments", "a file of comments", "# to do\n\n# all of it\n", "NO_RESULT"),
    row("utf-8-bom", "saved by an editor that marks UTF-8", script().encode("utf-8-sig"), "GRADED", proofs=[as_honest]),
    row("utf-16", "saved as UTF-16", script().encode("utf-16"), "BINARY"),
    row("latin-1", "an umlaut in Latin-1, undeclared", script(top="# für hw6").encode("latin-1"), "ENCODING"),
    row(
        "latin-1-declared",
        "the same, declared",
        b"# coding: latin-1\n" + script(top="# für hw6").encode("latin-1"),
        "GRADED",
        proofs=[as_honest],
    ),
    row("unknown-encoding", "declares an encoding that nobody knows", "# coding: klingon\n" + script(), "ENCODING"),
    row(
        "undefined-encoding",
        "declares Python's codec that always fails",
        "# coding: undefined\n" + script(),
        "ENCODING",
    ),
    row(
        "punycode",
        "declares an encoding that isn't meant for files",
        "# coding: punycode\n" + script(),
        "ENCODING",
    ),
    row("null-bytes", "a null byte in a comment", script(end="# \0"), "BINARY"),
    row("picture", "a picture called hw6.py", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8, "BINARY"),
    row("crlf", "line ends of Windows", script().replace("\n", "\r\n"), "GRADED", proofs=[as_honest]),
    # sizes
    row("fifty-megabytes", "fifty megabytes of comments", _fifty_megabytes, "SOURCE_TOO_BIG"),
    row("many-blanks", "a thousand blanks and comments", "...\n#\n" * BLANKS, "NO_RESULT"),
    row("deep-brackets", "brackets, five thousand deep", "x = " + "(" * 5000 + ")" * 5000 + "\n", "SYNTAX"),
    row(
        "deep-signs",
        "a sign, a hundred thousand times",
        "x = " + "-" * 100_000 + "1\n",
        "SYNTAX",
        "NO_RESULT",
        "CRASHED",
    ),
    # what isn't a file, or isn't one
    row("a-folder", "a folder called hw6.py", _folder, "NOT_REGULAR"),
    row("a-link", "a link to the gradebook", _link, "SYMLINK", hostile=True),
    row("a-pipe", "a named pipe, which would make a reader wait for ever", _pipe, "NOT_REGULAR", hostile=True),
    row("a-socket", "a socket", _socket, "NOT_REGULAR", hostile=True),
    row("two-files", "two files, none with the homework's name", _two_files, "AMBIGUOUS"),
    row("document", "the answers in Word", written(b"PK\x03\x04", "hw6.docx"), "NO_SCRIPT"),
    row("nothing", "an empty folder", _nothing, "NO_FILE"),
    row(
        "hostile-name",
        "a file name with a tag and terminal codes",
        written(script(), "<img src=x onerror=alert(1)>\x1b[2J.py"),
        "GRADED",
        proofs=[as_honest, harmless_text],
        hostile=True,
    ),
    row("latin-1-name", "a file name that isn't UTF-8", written(script(), b"caf\xe9.py"), "GRADED", proofs=[as_honest]),
    # notebooks
    row("no-cells", "a notebook without cells", written(notebook([]), "hw6.ipynb"), "EMPTY"),
    row("magics", "magics and shell lines", written(_magics(), "hw6.ipynb"), "GRADED", proofs=[as_honest]),
    row("invalid-json", "a notebook that was cut off", written(notebook(CELLS)[:-50], "hw6.ipynb"), "BAD_NOTEBOOK"),
    row("deep-json", "a notebook of a hundred thousand brackets", written("[" * 100_000, "hw6.ipynb"), "BAD_NOTEBOOK"),
    row("not-python", "a notebook in R", written(notebook(["x <- 1"], language="R"), "hw6.ipynb"), "BAD_NOTEBOOK"),
    row("large-outputs", "outputs of six megabytes", _outputs(6), "GRADED", proofs=[as_honest]),
    row("huge-outputs", "outputs of nine megabytes, and a right script", _outputs(9), "GRADED"),
)
