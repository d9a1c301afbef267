"""The solution's own runs: the record, what doesn't fit, the band on the page, and the command that makes a record.

`tests/golden/` holds a page with a band of each kind. After a change that was meant: UPDATE_GOLDEN=1 pytest
tests/publish/test_solution_runs.py, and read the difference.
"""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from support.golden import golden
from support.pages import RESNET20_RUBRIC, RUBRIC, Page
from support.results import epochs, resnet20, result, training

from autograder.commands import app
from autograder.commands.course import record_solution
from autograder.course import dataset
from autograder.course.dataset import Dataset
from autograder.errors import KitError
from autograder.homeworks import load
from autograder.language import spoken
from autograder.observations import Epoch
from autograder.publish import feedback_page, solution_runs
from autograder.publish.charts import drawing, epoch_curves, training_curve
from autograder.publish.solution_runs import Part, Record, Run
from autograder.results.result import Result

PERCENTS = (74.0, 62.0, 68.0)


def run(seed: int, above: float = 0.0, by_epoch: tuple[float, ...] = (), **fields: Any) -> Run:
    """A run over 2,000 images whose loss falls from 2 by a tenth with each part, and is higher by `above`."""
    given: dict[str, Any] = {
        "seed": seed,
        "parts": [Part(begin=100 * k, end=100 * (k + 1), loss=2 - k / 10 + above) for k in range(20)],
        "epochs": [Epoch(epoch=k, accuracy_percent=percent) for k, percent in enumerate(by_epoch, 1)],
        "accuracy_percent": PERCENTS[seed],
        "seconds": 61.0,
    }
    return Run(**{**given, **fields})


def record(of: Result | None = None, **fields: Any) -> Record:
    """Three runs of the kind of a result."""
    of = of or result()
    given: dict[str, Any] = {
        "homework": of.homework,
        "dataset": of.dataset,
        "protocol": of.protocol,
        "runs": [run(0), run(1, 0.4), run(2, 0.2)],
        "made": "2026-11-27T18:00:00+00:00",
        "machine": "a processor, 2 cores",
        "device": "cpu",
        "threads": 1,
        "versions": of.versions,
    }
    return Record(**{**given, **fields})


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An instructor's folder of records; the shipped ones are away."""
    monkeypatch.setattr(solution_runs, "own_folder", lambda: tmp_path)
    monkeypatch.setattr(solution_runs, "REFERENCES", tmp_path / "shipped")
    return tmp_path


# --- the record ------------------------------------------------------------------------------------------------------


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "some" / "hw6-practice-preview.json"
    solution_runs.write(path, record())
    assert solution_runs.read(path) == record()
    assert solution_runs.file_name(record()) == path.name
    assert solution_runs.file_name(record(checkpoint="x.safetensors")) == "hw6-practice-preview-from-checkpoint.json"
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_every_shipped_record_is_one() -> None:
    shipped = sorted(solution_runs.REFERENCES.iterdir())
    assert shipped
    for path in shipped:
        found = solution_runs.read(path)
        assert path.name == solution_runs.file_name(found)
        assert (found.dataset.name, found.protocol.name) in (("practice", "preview"), ("cifar10-jpeg", "full"))
        assert len(found.runs) >= 3
        assert not found.all_equal
        assert bool(solution_runs.band(found).epochs) == load(found.homework.name).tests_epochs


BROKEN = [
    ("", "Invalid JSON"),
    ("{", "Invalid JSON"),
    ("[]", "should be an object"),
    ("\x00" * 9, "Invalid JSON"),
    (" " * (solution_runs.LARGEST_RECORD + 1), "too large"),
]


@pytest.mark.parametrize(("text", "reason"), BROKEN)
def test_what_is_no_record_is_said_once_and_stops_no_page(
    own: Path, capsys: pytest.CaptureFixture[str], text: str, reason: str
) -> None:
    path = own / "hw6-broken.json"
    path.write_text(text)
    with pytest.raises(KitError, match=reason):
        solution_runs.read(path)
    assert solution_runs.find(result()) is None
    assert solution_runs.find(result("s2")) is None
    said = capsys.readouterr().err
    assert said.count("hw6-broken.json") == 1
    assert said.startswith("pages are made without it: ")
    solution_runs.write(own / "hw6-good.json", record())
    assert solution_runs.find(result()) is not None


def test_a_record_that_cannot_be_opened_stops_no_page(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own / "hw6-nowhere.json").symlink_to(own / "missing")
    (own / "hw6-folder.json").mkdir()
    assert solution_runs.find(result()) is None
    assert capsys.readouterr().err.count("can't be read") == 2


def wrong(**fields: Any) -> dict[str, Any]:
    return {**record().model_dump(), **fields}


@pytest.mark.parametrize(
    "fields",
    [
        {"format": 2},
        {"runs": []},
        {"unknown": 1},
        {"runs": [run(0).model_dump()] * (solution_runs.MOST_RUNS + 1)},
        {"runs": [{**run(0).model_dump(), "accuracy_percent": 101}]},
        {"runs": [{**run(0).model_dump(), "accuracy_percent": math.nan}]},
        {"runs": [{**run(0).model_dump(), "parts": []}]},
        {"runs": [{**run(0).model_dump(), "parts": [{"begin": 0, "end": 9, "loss": math.inf}]}]},
        {"runs": [{**run(0).model_dump(), "parts": [{"begin": 9, "end": 9, "loss": 1}]}]},
        {"runs": [{**run(0).model_dump(), "parts": run(0).model_dump()["parts"][::-1]}]},
        {"runs": [{**run(0).model_dump(), "parts": run(0).model_dump()["parts"] * 2}]},
    ],
)
def test_a_record_holds_what_can_be_drawn_and_nothing_else(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Record.model_validate(wrong(**fields))


def changed(part: str, **fields: Any) -> Result:
    return result(**{part: {**getattr(result(), part).model_dump(), **fields}})


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (result(), ""),
        (changed("homework", version="1" * 12), ""),
        (changed("protocol", time_box_s=600.0), ""),
        (changed("homework", name="resnet20"), "another homework"),
        (changed("dataset", fingerprint="0" * 64), "other data"),
        (changed("dataset", train_images=399), "another number of images"),
        (changed("dataset", test_images=100), "another number of images"),
        (changed("protocol", name="full"), "another protocol"),
        (changed("protocol", epochs=4), "another protocol"),
        (result(started_from="nothing, since no network was seen"), ""),
        (result(checkpoint_sha256="0123abcd" * 8), "another start"),
    ],
)
def test_a_record_is_for_runs_of_its_kind(own: Path, other: Result, reason: str) -> None:
    assert solution_runs.unfit(record(), other) == reason
    solution_runs.write(own / f"{other.homework.name}-x.json", record())
    assert (solution_runs.find(other) is None) == bool(reason)


def test_runs_from_a_checkpoint_are_set_beside_those_from_the_same() -> None:
    ours = record(checkpoint="x.safetensors (81.20%, SHA-256 0123abcd)", checkpoint_sha256="0123abcd" * 8)
    theirs = result(started_from=f"체크포인트 {ours.checkpoint}", checkpoint_sha256=ours.checkpoint_sha256)
    assert solution_runs.unfit(ours, theirs) == ""
    assert solution_runs.unfit(ours, result(started_from="nothing")) == "another start"
    assert solution_runs.unfit(ours, result(checkpoint_sha256="f" * 64)) == "another start"
    # A record from before its file was told apart fits nobody, whatever they started from.
    older = record(checkpoint=ours.checkpoint)
    assert [solution_runs.unfit(older, one) for one in (theirs, result())] == ["another start"] * 2


def test_an_instructors_record_wins(own: Path) -> None:
    solution_runs.write(own / "shipped" / "hw6-a.json", record())
    assert solution_runs.find(result()).runs == 3  # type: ignore[union-attr]
    solution_runs.write(own / "hw6-b.json", record(runs=[run(0)]))
    assert solution_runs.find(result()).runs == 1  # type: ignore[union-attr]
    solution_runs.write(own / "hw6-b.json", record(runs=[run(0), run(1)]))
    assert solution_runs.find(result()).runs == 2  # type: ignore[union-attr]


def test_runs_on_copies_stand_in_where_there_are_no_others(own: Path) -> None:
    theirs = changed("dataset", name="cifar10", fingerprint="0" * 64)
    copies = record(changed("dataset", name="cifar10-jpeg"), runs=[run(0)])
    solution_runs.write(own / "hw6-a.json", copies)
    found = solution_runs.find(theirs)
    assert found is not None
    assert (found.runs, found.of_copies) == (1, True)
    assert solution_runs.find(changed("dataset", name="cifar", fingerprint="0" * 64)) is None
    assert solution_runs.find(changed("dataset", name="cifar10", fingerprint="0" * 64, test_images=100)) is None
    page = Page(feedback_page.feedback(theirs.model_copy(update={"training": training()}), RUBRIC)).text
    assert page.count("It saw JPEG copies of these images.") == 1
    solution_runs.write(own / "hw6-b.json", record(theirs))
    found = solution_runs.find(theirs)
    assert found is not None
    assert (found.runs, found.of_copies) == (3, False)


# --- the band --------------------------------------------------------------------------------------------------------


def test_parts_have_the_mean_of_their_finite_losses() -> None:
    assert solution_runs.parts([(10, 1.0), (20, math.nan), (25, 3.0)]) == [(0, 10, 1.0), (10, 20, None), (20, 25, 3.0)]
    many = solution_runs.parts([(k, float(k % 2)) for k in range(1, 41)])
    assert len(many) == 20
    assert many[-1] == (38, 40, 0.5)


def test_a_band_goes_from_the_lowest_to_the_highest_where_all_runs_are() -> None:
    short = run(2, parts=run(2, 0.2).parts[:10])
    band = solution_runs.band(record(runs=[run(0), run(1, 0.4), short]))
    assert band.losses[0] == (50.0, 2.0, 2.4)
    assert band.losses[-1] == (950.0, pytest.approx(1.1), pytest.approx(1.5))
    assert band.loss_at(100) == (pytest.approx(1.95), pytest.approx(2.35))
    assert band.loss_at(0) == (2.0, 2.4)
    assert band.loss_at(1000) == band.losses[-1][1:]
    assert band.loss_at(1001) is None
    nothing = run(0, parts=[Part(begin=0, end=9, loss=None)])
    assert solution_runs.band(record(runs=[nothing, run(1)])).losses == []


def test_accuracies_of_epochs_that_all_runs_have() -> None:
    band = solution_runs.band(record(runs=[run(0, 0, (30, 40, 50)), run(1, 0, (35, 38))]))
    assert band.epochs == {1: (30, 35), 2: (38, 40)}
    assert solution_runs.band(record(runs=[run(0, 0, (30,)), run(1)])).epochs == {}


def heights(path: str) -> list[float]:
    return [float(place.split(" ")[1]) for place in path[1:-1].split("L")]


def test_the_axes_hold_the_band_and_the_curve() -> None:
    higher = solution_runs.band(record(runs=[run(0), run(1, 7)]))
    low = training(losses=[(k, 0.5) for k in range(1, 101)])
    curve = training_curve.of_student(low, higher)
    assert curve is not None
    assert curve.y_ticks[-1][1] == "10"
    assert curve.x_ticks[-1][1] == "1,500"
    assert len(heights(curve.band)) == 40
    assert min(heights(curve.band)) > drawing.TOP
    assert max(heights(curve.band)) < drawing.BOTTOM
    alone = training_curve.of_student(low)
    assert alone is not None
    assert (alone.band, alone.y_ticks[-1][1]) == ("", "0.5")
    assert [row.solution for row in alone.rows] == [None] * 20


def test_of_equal_runs_the_band_is_a_line_and_the_page_says_so(own: Path) -> None:
    solution_runs.write(own / "hw6-x.json", record(runs=[run(0), run(1)]))
    curve = training_curve.of_student(training(), solution_runs.find(result()))
    assert curve is not None
    there = heights(curve.band)
    assert there[:20] == there[20:][::-1]
    text = Page(feedback_page.feedback(result(training=training()), RUBRIC)).text
    assert "Its runs came out the same, so the shade is a line." in text


def test_the_axis_of_accuracies_holds_the_band() -> None:
    one = resnet20()
    band = solution_runs.band(record(one, runs=[run(0, 0, tuple(range(5, 17)))]))
    found = epoch_curves.of_student(one, load("resnet20"), band)
    assert found is not None
    assert found.plot.shade is not None
    assert found.plot.y_ticks[0][1] == "0%"
    assert found.plot.x_ticks[-1][1] == "12"
    assert found.rows[11].solution == (16, 16)
    without = epoch_curves.of_student(one, load("resnet20"))
    assert without is not None
    assert without.plot.shade is None


# --- the page --------------------------------------------------------------------------------------------------------


def with_losses() -> Result:
    return result(training=training())


def with_epochs() -> Result:
    return resnet20(of=result, training=training(network_class="ResNet20"), epochs=epochs([40, 55, 58]))


def test_a_page_with_the_band_reads_as_it_should(own: Path) -> None:
    solution_runs.write(own / "hw6-x.json", record())
    text = feedback_page.feedback(with_losses(), RUBRIC)
    golden("feedback-band.html", text)
    page = Page(text).text
    assert "from the lowest to the highest of 3 runs on the same images" in page
    assert "It is no target" in page
    assert "The course's own solution reached from 62.00% to 74.00% in 3 runs" in page
    assert "3 runs, recorded 2026-11-27 with homework version" in page


def test_a_page_with_epochs_has_the_band_in_both_plots(own: Path) -> None:
    runs = [run(0, 0, (40.0, 52.0, 61.0)), run(1, 0.4, (43.0, 50.5, 57.0)), run(2, 0.2, (41.0, 54.0, 60.0))]
    solution_runs.write(own / "resnet20-x.json", record(with_epochs(), runs=runs))
    text = feedback_page.feedback(with_epochs(), RESNET20_RUBRIC)
    golden("feedback-band-epochs.html", text)
    page = Page(text)
    assert text.count("It is no target") == 2
    assert "solution reached" not in page.text
    assert "50.50% 54.00%" in page.text
    assert len([one for tag, one in page.tags if tag == "path" and one.get("class") == "solution"]) == 2


def test_the_band_is_told_in_korean(own: Path) -> None:
    solution_runs.write(own / "hw6-x.json", record(runs=[run(0), run(1)]))
    with spoken("ko"):
        text = Page(feedback_page.feedback(with_losses(), RUBRIC)).text
    assert "이 과목의 모범 답안을 2번 실행했을 때의 정확도: 최저 62.00%, 최고 74.00%." in text
    assert "모든 실행의 결과가 같아서 음영이 선으로 보입니다." in text
    assert "solution" not in text


def test_without_a_record_that_fits_there_is_no_band(own: Path) -> None:
    solution_runs.write(own / "hw6-x.json", record(changed("dataset", fingerprint="0" * 64)))
    text = feedback_page.feedback(with_losses(), RUBRIC)
    assert 'class="solution"' not in text
    assert "solution" not in Page(text).text


def test_one_run_is_told_as_one(own: Path) -> None:
    solution_runs.write(own / "hw6-x.json", record(runs=[run(0)]))
    page = Page(feedback_page.feedback(with_losses(), RUBRIC)).text
    assert "in 1 run on the same images" in page
    assert "The course's own solution reached 74.00% in a run" in page


# --- the command -----------------------------------------------------------------------------------------------------

SCRIPT = """
import torch, torchvision
from torchvision import transforms

torch.manual_seed(0)


class IdentityResNet(torch.nn.Module):
    def __init__(self, *blocks):
        super().__init__()
        self.fc = torch.nn.Linear(3072, 10)

    def forward(self, x):
        return self.fc(x.flatten(1))


net = IdentityResNet(2, 2, 2, 2)
data = torchvision.datasets.CIFAR10("./data", train=True, download=True, transform=transforms.ToTensor())
optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
for epoch in range(5):
    for images, labels in torch.utils.data.DataLoader(data, batch_size=16, shuffle=True):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(images), labels).backward()
        optimizer.step()
"""


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["autograder", "reference", *words])
    try:
        app.main()
    except SystemExit as exit_:
        return int(exit_.code or 0)
    return 0


def test_a_seed_is_moved_wherever_the_script_may_begin() -> None:
    for script in (
        "import torch\ntorch.manual_seed(7)\n",
        '"""Text."""\nfrom __future__ import annotations\nimport torch\n',
    ):
        moved = record_solution._moved(f"{script}drawn = torch.manual_seed(3).initial_seed()\n".encode(), 2).decode()
        names: dict[str, Any] = {}
        usual = torch.manual_seed
        try:
            exec(compile(moved, "moved", "exec"), names)
        finally:
            torch.manual_seed = usual
        assert names["drawn"] == 5


@pytest.mark.slow
def test_the_command_trains_with_other_random_numbers_each(
    tmp_path: Path, practice: Dataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays = {name: getattr(practice, name)[:100] for name in dataset.ARRAYS}
    few = dataset.write(tmp_path / "few", "few", "the first", arrays, practice.classes)
    (tmp_path / "hw6.py").write_text(SCRIPT)
    out = tmp_path / "hw6-few.json"
    words = ["hw6", "--file", str(tmp_path / "hw6.py"), "--data", str(few.folder), "--protocol", "preview"]
    assert command(monkeypatch, *words, "--sandbox", "none", "--runs", "2", "--out", str(out)) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"wrote {out}"
    made = solution_runs.read(out)
    assert [one.seed for one in made.runs] == [0, 1]
    assert not made.all_equal  # though the script sets a seed
    assert (made.homework.version, made.dataset.fingerprint) == (load("hw6").version, few.fingerprint)
    assert (made.dataset.train_images, made.protocol.epochs, made.checkpoint) == (100, 5, "")
    assert made.runs[0].parts[-1].end == 500
    assert json.loads(out.read_text())["versions"]["torch"] == made.versions.torch


def test_the_command_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, "hw6", "--file", str(tmp_path / "none.py")) == 2
    assert "none.py" in capsys.readouterr().err
    monkeypatch.setattr("autograder.commands.course.record_solution.SOLUTIONS", tmp_path)
    assert command(monkeypatch, "hw6") == 2
    assert "hint: the solution is in a checkout" in capsys.readouterr().err
