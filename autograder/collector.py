"""A collector for nbgrader's `zip_collect` that reads Blackboard's names: id, local time, the student's own file name.

A course's nbgrader configuration names it (`docs/instructors.md` has the lines), and nbgrader calls it for each file
that it has extracted. nbgrader's own collector misreads Blackboard's time, `2024-05-15-10-11-12`, and stops the whole
collection where the seconds are over 23.
"""

from pathlib import PurePath
from typing import Any
from zoneinfo import ZoneInfo

from nbgrader.plugins import FileNameCollectorPlugin
from traitlets import Unicode

from autograder.intake.lms import blackboard


class BlackboardCollector(FileNameCollectorPlugin):  # type: ignore[misc]
    """Collects what Blackboard's gradebook download holds; of several attempts nbgrader keeps the last one."""

    timezone = Unicode("UTC", help="The course's time zone, as in Asia/Seoul: Blackboard's names have local time.").tag(
        config=True
    )

    def collect(self, submitted_file: str) -> dict[str, Any] | None:
        """The student's id, the file's own name without its ending, and its time in UTC; None where it is no upload.

        Raises traitlets' TraitError where `timezone` isn't the name of a time zone.
        """
        path = PurePath(submitted_file)
        if path.suffix not in self.valid_ext:
            return None
        found = blackboard.upload_name(path.name, self._zone())
        if found is None:
            self.log.warning("not a name of Blackboard's: %s", path.name)
            return None
        student, moment, name = found
        # nbgrader 0.9.6 reads a time followed by the word UTC correctly, but not one with an offset.
        return {
            "student_id": student,
            "file_id": str(PurePath(name).with_suffix("")),
            "timestamp": f"{moment:%Y-%m-%d %H:%M:%S} UTC",
        }

    def _zone(self) -> ZoneInfo:
        from traitlets import TraitError

        try:
            return ZoneInfo(self.timezone)
        except (ValueError, KeyError, OSError) as error:
            raise TraitError(f"there is no time zone {self.timezone!r}") from error
