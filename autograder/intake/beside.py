"""The files that travel with a submission: those of the same attempt, in its folder and below.

Called by intake, so that `from net import ...` works where a homework is graded as it did at home. Only reads regular
files, and of those no more than its limits. What a script can't need stays behind: archives, documents, pictures, other
notebooks, datasets and weights, the student's own records, and what everybody is given complete.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from autograder.course.homework import Homework
from autograder.intake import own_record, receipt
from autograder.intake.file_tree import Folder, Node, OnDisk
from autograder.intake.submission import UnreadableError

MOST_FILES = 50
LARGEST = 2**20  # bytes of one file
LARGEST_TOGETHER = 8 * 2**20
DEEPEST = 8  # levels of folders
MOST_SEEN = 2_000  # names that are looked at: some hand in their dataset as pictures
LEFT = frozenset(
    (
        *(".7z", ".alz", ".bz2", ".egg", ".gz", ".rar", ".tar", ".tgz", ".xz", ".zip"),
        *(
            ".doc",
            ".docx",
            ".htm",
            ".html",
            ".hwp",
            ".hwpx",
            ".ipynb",
            ".odt",
            ".pdf",
            ".ppt",
            ".pptx",
            ".xls",
            ".xlsx",
        ),
        *(".bmp", ".gif", ".jpeg", ".jpg", ".mov", ".mp4", ".png", ".svg", ".webp"),
        *(".bin", ".ckpt", ".h5", ".npy", ".npz", ".onnx", ".pickle", ".pkl", ".pt", ".pth", ".safetensors"),
    )
)
"""Endings of files that stay behind."""


def files(folder: Node, chosen: Node, homework: Homework) -> tuple[tuple[str, bytes], ...]:
    """(relative POSIX path, content) of what lies in `folder` beside `chosen`, by path. What can't be read is left."""
    found: dict[str, bytes] = {}
    together = 0
    for seen, (path, node) in enumerate(_below(folder)):
        if seen == MOST_SEEN or len(found) == MOST_FILES:
            break
        if node is chosen or path in found or not _may_travel(path, node, homework):
            continue
        try:
            content = node.content(min(LARGEST, LARGEST_TOGETHER - together))
        except (UnreadableError, OSError):
            continue
        found[path] = content
        together += len(content)
    return tuple(sorted(found.items()))


def of_file(file: Path, given: Homework) -> tuple[tuple[str, bytes], ...]:
    """The same for a file on a student's own machine: what lies in its folder."""
    try:
        children = OnDisk(file.absolute().parent).children()
    except OSError:
        return ()
    chosen = next((node for node in children if node.name == file.name), None)
    return () if chosen is None else files(Folder("", children), chosen, given)


def _below(folder: Node) -> Iterator[tuple[str, Node]]:
    """Files and their paths, those of upper folders first."""
    level: list[tuple[str, Node]] = [("", folder)]
    for _ in range(DEEPEST):
        deeper: list[tuple[str, Node]] = []
        for path, place in level:
            try:
                children = place.children()
            except OSError:
                continue
            for node in children:
                if node.kind == "file":
                    yield f"{path}{node.name}", node
                elif node.kind == "folder":
                    deeper.append((f"{path}{node.name}/", node))
        level = deeper


def _may_travel(path: str, node: Node, homework: Homework) -> bool:
    own = (own_record.RECORD, f"{homework.stem}{receipt.ENDING}".casefold())
    parts = PurePosixPath(path).parts
    return (
        node.suffix not in LEFT
        and node.name.casefold() not in own
        and path not in (f"{homework.stem}.py", *homework.given)
        and path.isprintable()
        and len(path.encode("utf-8", "replace")) < 500
        and not any(part in ("", "..") or "\\" in part or "/" in part for part in parts)
    )
