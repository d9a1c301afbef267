"""Many scripts through the real proctor in the real sandbox, each looked at as a class is: from one import of torch."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from autograder.course.homework import Homework
from autograder.intake import submission
from autograder.observations import Observations
from autograder.runner.runner import SANDBOX_RUNNER
from autograder.sandbox import sandbox

AT_A_TIME = 2


def observe_all(homework: Homework, scripts: Mapping[str, bytes]) -> dict[str, Observations]:
    """What the proctor sees of each script, by the same names."""
    place = sandbox.choose()

    def seen(script: bytes) -> Observations:
        observations = SANDBOX_RUNNER.observe(homework, submission.of(f"{homework.stem}.py", script), place, warm=True)
        assert observations.problem is None, observations.problem
        return observations

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return dict(zip(scripts, pool.map(seen, scripts.values()), strict=True))
