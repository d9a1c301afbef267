"""The collector, in nbgrader's own `zip_collect`."""

import os
import subprocess
import sys
from pathlib import Path

from support import downloads
from support.downloads import Uploaded

CONFIGURATION = """
c = get_config()
c.CourseDirectory.root = "."
c.ZipCollectApp.collector_plugin = "autograder.collector.BlackboardCollector"
c.BlackboardCollector.timezone = "Asia/Seoul"
c.BlackboardCollector.valid_ext = [".ipynb", ".py"]
"""


def test_zip_collect_reads_blackboards_times(tmp_path: Path) -> None:
    attempts = [
        Uploaded("2016320187", "", "2024-05-15 10:11:12", [("hw6.ipynb", b"first"), ("hw6.docx", b"x")]),
        Uploaded("2016320187", "", "2024-05-15 22:10:59", [("hw6.ipynb", b"second")]),
        Uploaded("2016320200", "", "2024-05-15 00:30:00", [("hw6.py", b"third")]),
    ]
    course = tmp_path / "course"
    downloads.pack(course / "downloaded" / "hw6" / "archive" / "gradebook.zip", downloads.blackboard(attempts))
    (course / "nbgrader_config.py").write_text(CONFIGURATION)
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", "zip_collect", "hw6", "--log-level=INFO"],
        cwd=course,
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    submitted = course / "submitted"
    assert {str(path.relative_to(submitted)) for path in submitted.rglob("*") if path.is_file()} == {
        "2016320187/hw6/hw6.ipynb",
        "2016320187/hw6/timestamp.txt",
        "2016320200/hw6/hw6.py",
        "2016320200/hw6/timestamp.txt",
    }
    assert (submitted / "2016320187" / "hw6" / "hw6.ipynb").read_bytes() == b"second"
    assert (submitted / "2016320187" / "hw6" / "timestamp.txt").read_text().strip() == "2024-05-15 13:10:59"
    assert (submitted / "2016320200" / "hw6" / "timestamp.txt").read_text().strip() == "2024-05-14 15:30:00"
