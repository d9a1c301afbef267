"""Downloads as learning management systems make them, for tests: names and files in the shape of each.

From the systems' own documentation: Blackboard's "Download assignments", Canvas's "Download Submissions", Moodle's
"Download all submissions", Gradescope's "Export Submissions", nbgrader's directory structure.
"""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

Member = tuple[str, bytes]

CODE = b"print('homework')\n"


@dataclass(frozen=True)
class Uploaded:
    """One attempt: by whom (id, name), when (local time), and its files by their own names."""

    id: str
    name: str
    at: str  # 2024-05-15 10:11:12
    files: Sequence[Member] = (("hw6.py", CODE),)
    late: bool = False


def pack(path: Path, members: Sequence[Member]) -> Path:
    """A zip file of these members, all packed on one day."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name, (2024, 6, 1, 12, 0, 0)), content)
    return path


def unpack(path: Path, members: Sequence[Member]) -> Path:
    """The same as a folder."""
    for name, content in members:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def blackboard(attempts: Sequence[Uploaded], title: str = "hw6", receipts: bool = True) -> list[Member]:
    """A gradebook's download: flat, with a receipt beside each attempt."""
    members = []
    for one in attempts:
        stem = f"{title}_{one.id}_attempt_{one.at.replace(' ', '-').replace(':', '-')}"
        members += [(f"{stem}_{name}", content) for name, content in one.files]
        if receipts:
            moment = datetime.strptime(one.at, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
            listed = "".join(f"\tOriginal filename: {name}\n\tFilename: {stem}_{name}\n" for name, _ in one.files)
            text = (
                f"Name: {one.name} ({one.id})\nAssignment: {title}\n"
                f"Date Submitted: {moment:%A, %B %d, %Y %I:%M:%S %p} KST\nCurrent Grade: Needs Grading\n\n"
                "Submission Field:\nThere is no student submission text data for this assignment.\n\n"
                f"Comments:\nThere are no student comments for this assignment.\n\nFiles:\n{listed}"
            )
            members.append((f"{stem}.txt", text.encode()))
    return members


def canvas(attempts: Sequence[Uploaded]) -> list[Member]:
    """All submissions: flat, `name_id_upload_file`, with LATE where it was."""
    return [
        (f"{one.name.replace(' ', '').lower()}_{'LATE_' if one.late else ''}{one.id}_{90_000 + number}_{name}", content)
        for number, one in enumerate(attempts)
        for name, content in one.files
    ]


def moodle(attempts: Sequence[Uploaded], folders: bool = True) -> list[Member]:
    """All submissions, in folders or not."""
    between = "_/" if folders else "_"
    return [
        (f"{one.name}_{one.id}_assignsubmission_file{between}{name}", content)
        for one in attempts
        for name, content in one.files
    ]


def gradescope(attempts: Sequence[Uploaded]) -> list[Member]:
    """An export: a folder for each submission, and what is known about all in one file."""
    members, lines = [], ["---"]
    for number, one in enumerate(attempts):
        key = f"submission_{1000 + number}"
        members += [(f"assignment_7_export/{key}/{name}", content) for name, content in one.files]
        lines += [
            f"{key}:",
            "  :submitters:",
            f"  - :name: {one.name}",
            f"    :sid: '{one.id}'",
            f"    :email: {one.id}@example.org",
            f"  :created_at: {one.at}.123456789 Z",
            "  :score: 0.0",
            "  :status: processed",
        ]
    return [*members, ("assignment_7_export/submission_metadata.yml", "\n".join(lines).encode())]


def nbgrader(attempts: Sequence[Uploaded], zone: str = "UTC") -> list[Member]:
    """nbgrader's tree `submitted/`."""
    members = []
    for one in attempts:
        members += [(f"{one.id}/hw6/{name}", content) for name, content in one.files]
        members.append((f"{one.id}/hw6/timestamp.txt", f"{one.at} {zone}".encode()))
    return members
