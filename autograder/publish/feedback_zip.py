"""Everybody's feedback page in one zip file, named as a learning management system's bulk upload wants it.

Called with the folder that `grade` wrote. Only reads there; writes one file, with the same bytes for the same pages.
Unpacks nothing, and no name in the archive leads out of the folder that it is unpacked in.
"""

import re
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from autograder.errors import KitError, printable
from autograder.files import whole
from autograder.intake.entry import UNPLACED
from autograder.publish import lms_grades
from autograder.publish.final_points import Final, final

PAGE = "feedback.html"

_NEVER = re.compile(r'[<>:"/\\|?*\ufffd\n\t]')  # in a name, on some system or other
_OF_MOODLE = re.compile(r"([^/]*_\d+)_assignsubmission_")
_MOMENT = (1980, 1, 1, 0, 0, 0)  # the first that a zip file can say


def bundle(out: Path, lms: str, source_names: Mapping[str, str] | None, to: Path) -> int:
    """Write to `to` a zip file of the feedback page of everybody who has a result under `out`; how many there are.

    Moodle finds whose a page is by the participant's number in its folder's name. Canvas finds it by two numbers, the
    student's and the upload's. Only the file name that Canvas gave has both, so Canvas ignores the pages of students
    who aren't in `source_names`. Elsewhere a name has the id, for people.

    Args:
        lms: one of `lms_grades.NAMES`.
        source_names: student id to what Canvas called the file that it gave, `name_id_upload_file`. The page takes
            that name with its own ending.

    Raises KitError for a system without a name there, for a folder without results or a result without its page, where
    two pages would have one name, for Moodle where an id is no participant's number, and where `to` can't be written.
    """
    if lms not in lms_grades.NAMES:
        raise KitError(f"nothing is known of {lms!r}", f"choose one of {', '.join(lms_grades.NAMES)}")
    known = source_names or {}
    often = Counter(known.values())  # a team's members have one, and a page each
    own = {student: name for student, name in known.items() if often[name] == 1}
    pages: dict[str, Path] = {}
    for one in final(out):
        if one.result.outcome == UNPLACED:
            continue  # nobody knows whose it is
        page, name = out / one.student / PAGE, _name(one, lms, own if lms == "moodle" else known)
        if not page.is_file():
            raise KitError(f"{page}: is missing", "`autograder grade` with the same words writes it")
        if name in pages:
            raise KitError(
                f"{name}: is the name of two pages, the other is {pages[name]}", "rename one student's folder"
            )
        pages[name] = page
    try:
        with whole(to) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            for name, page in sorted(pages.items()):
                member = zipfile.ZipInfo(name, _MOMENT)
                member.create_system, member.external_attr = 3, 0o100644 << 16  # the same wherever it is packed
                archive.writestr(member, page.read_bytes(), zipfile.ZIP_DEFLATED)
    except OSError as error:
        raise KitError(f"{to}: can't be written ({error.strerror})", "name a file in a folder of yours") from error
    return len(pages)


def _name(one: Final, lms: str, source_names: Mapping[str, str]) -> str:
    id_ = _clean(one.student)
    if lms == "moodle":
        if found := _OF_MOODLE.match(source_names.get(one.student, "")):
            return f"{_clean(found[1])}_assignsubmission_file_/{PAGE}"
        # The number stands after the first underscore. Moodle itself says "Participant" where names are hidden.
        name = _clean(one.result.name.replace("_", " ")) or "Participant"
        return f"{name}_{lms_grades.participant(one.student)}_assignsubmission_file_/{PAGE}"
    if lms == "canvas":
        if source := source_names.get(one.student):
            return f"{_clean(PurePosixPath(source).stem)}.html"
        name = re.sub(r"[\s_]", "", _clean(one.result.name)).lower()
        return f"{name}_{id_}_{PAGE}" if name else f"{id_}_{PAGE}"
    return f"{id_}_{PAGE}"


def _clean(name: str) -> str:
    """A name for a file on any system: without what leads to other folders, and hidden nowhere."""
    return " ".join(_NEVER.sub(" ", printable(name)).split()).lstrip(".~ ").rstrip(". ")
