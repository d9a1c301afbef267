"""Many scripts through the real proctor in the real sandbox, each looked at as a class is: from one import of torch.

What was seen is kept in `build/looks/` under a key of the script and of all that a look follows from: the kit's
modules, its homework, torch. So a change of a check replays the tables in seconds, and one of the proctor looks anew.
"""

import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

from autograder import checks
from autograder.checks import CheckResult
from autograder.course.homework import Homework
from autograder.files import ROOT, write_text
from autograder.grading import keys
from autograder.intake import submission
from autograder.observations import Observations
from autograder.runner.runner import SANDBOX_RUNNER
from autograder.sandbox import sandbox

AT_A_TIME = 2
AHEAD = 4  # the row that is waited for, and the next ones
LONGEST_S = 50.0  # until a look has ended, from when somebody waits for it
LOOKS = ROOT / "build" / "looks"


class Looks(Mapping[str, Observations]):
    """Looks, by name. Whoever reads one waits for it; those that follow begin meanwhile."""

    def __init__(self, homework: Homework, scripts: Mapping[str, bytes]) -> None:
        self._homework = homework
        self._place = sandbox.choose()
        code = keys.of_kit(keys.EVIDENCE, homework.name)
        self._kit = hashlib.sha256(f"{code} {homework.version} {version('torch')}".encode()).hexdigest()[:16]
        for old in LOOKS.glob(f"{homework.name}-*.json"):
            if not old.name.startswith(f"{homework.name}-{self._kit}-"):
                old.unlink(missing_ok=True)
        self._scripts = dict(scripts)
        self._order = list(scripts)
        self._pool = ThreadPoolExecutor(AT_A_TIME)
        self._begun: dict[str, Future[Observations]] = {}

    def __getitem__(self, name: str) -> Observations:
        at = self._order.index(name)
        for one in self._order[at : at + AHEAD]:
            if one not in self._begun:
                self._begun[one] = self._pool.submit(self._look, self._scripts[one])
        return self._begun[name].result(LONGEST_S)

    def __iter__(self) -> Iterator[str]:
        return iter(self._order)

    def __len__(self) -> int:
        return len(self._order)

    def _look(self, script: bytes) -> Observations:
        kept = self._kept(script)
        try:
            return Observations.model_validate_json(kept.read_bytes())
        except (OSError, ValueError):
            pass
        file = submission.of(f"{self._homework.stem}.py", script)
        observations = SANDBOX_RUNNER.observe(self._homework, file, self._place, warm=True)
        assert observations.problem is None, observations.problem
        write_text(kept, observations.model_dump_json())
        return observations

    def _kept(self, script: bytes) -> Path:
        return LOOKS / f"{self._homework.name}-{self._kit}-{hashlib.sha256(script).hexdigest()[:32]}.json"


def observe_all(homework: Homework, scripts: Mapping[str, bytes]) -> Mapping[str, Observations]:
    """What the proctor sees of each script, by the same names."""
    return Looks(homework, scripts)


class Results(Mapping[str, list[CheckResult]]):
    """What the checks say of each script, by name. Whoever reads one waits for its look."""

    def __init__(self, homework: Homework, scripts: Mapping[str, bytes]) -> None:
        self._homework = homework
        self._seen = observe_all(homework, scripts)

    def __getitem__(self, name: str) -> list[CheckResult]:
        return checks.run(self._seen[name], self._homework)

    def __iter__(self) -> Iterator[str]:
        return iter(self._seen)

    def __len__(self) -> int:
        return len(self._seen)
