"""Gradescope's "Export Submissions": `submission_123/hw1.py`, and a file `submission_metadata.yml`.

That file has the submitters of each submission (several where a group handed in) and its time.
"""

import re
from datetime import UTC, datetime
from typing import Any

from autograder.intake.file_tree import Folder, Node
from autograder.intake.lms.found import Attempt, Context, Found, Student, parted
from autograder.intake.submission import UnreadableError
from autograder.language import gettext as _

METADATA = "submission_metadata.yml"
LARGEST_METADATA = 2**26  # bytes, for all submissions

_FOLDER = re.compile(r"submission_\d+")


def file_part(node: Node, context: Context) -> int | None:
    """0 for a folder that Gradescope makes; None for anything else."""
    return 0 if _FOLDER.fullmatch(node.name) and node.kind == "folder" else None


def read(nodes: list[Node], context: Context) -> Found:
    """Everybody. Raises UnreadableError where the metadata can't be read."""
    folders = {node.name: node for node in nodes if file_part(node, context) is not None}
    file = next((node for node in nodes if node.name == METADATA), None)
    metadata = {} if file is None else _metadata(file)
    students: dict[str, Student] = {}
    known = set()
    for key, about in metadata.items():
        name = str(key)
        submitters = about.get(":submitters") if isinstance(about, dict) else None
        people = [one for one in submitters if isinstance(one, dict)] if isinstance(submitters, list) else []
        submitted = [(found, one) for one in people if (found := _ids(one))]
        if not submitted:
            continue
        known.add(name)
        moment = _moment(about.get(":created_at"))
        trouble = "" if name in folders else _("{folder} is in Gradescope's list, and not in the export")
        for number, one in submitted:
            student = students.setdefault(number[0], Student(number[0], str(one.get(":name") or "")))
            student.aliases = tuple(dict.fromkeys((*student.aliases, *number[1:])))
            student.trouble = student.trouble or trouble.format(folder=name)
            student.attempts.append(Attempt(folders.get(name, Folder(name, [])), moment))
    nameless = []
    for name in sorted(folders.keys() - known):
        words = _("{folder}: Gradescope's list doesn't say whose it is").format(folder=name)
        nameless.append(Student(name, "", [Attempt(folders[name])], trouble=words, placed=False))
    rest = [node for node in nodes if node is not file and node.name not in folders]
    strays, left_out = parted(rest, "gradescope")
    fits = (len(folders), len(folders) + len(strays))
    return Found("gradescope", [*students.values(), *nameless], left_out, strays, fits)


def _metadata(file: Node) -> dict[Any, Any]:
    import yaml

    try:
        found = yaml.load(file.content(LARGEST_METADATA), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UnreadableError("BAD_ARCHIVE", f"{METADATA}: isn't YAML") from error
    return found if isinstance(found, dict) else {}


def _ids(submitter: dict[Any, Any]) -> list[str]:
    """The names that somebody is known by; the first is their id here."""
    return [
        str(submitter[name]).strip() for name in (":sid", ":email", ":name") if str(submitter.get(name) or "").strip()
    ]


def _moment(created: object) -> datetime | None:
    if isinstance(created, str):
        try:
            created = datetime.fromisoformat(created.strip().replace(" UTC", "+00:00").replace(" Z", "+00:00"))
        except ValueError:
            return None
    if not isinstance(created, datetime):
        return None
    return created if created.tzinfo else created.replace(tzinfo=UTC)
