"""The proctor's process: takes a job from the grader, runs the submission, sends back what was seen.

Started by `runner/proctored.py`, inside the sandbox. Its last two arguments are file descriptors (on Windows, handles)
of two pipes: for the grader's messages, and for its own.
"""

import contextlib
import gc
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import nn

from autograder.course.homework import Homework
from autograder.course.practice import class_names, draw_for
from autograder.homeworks import load
from autograder.language import marked
from autograder.proctor import lazy_compiler

lazy_compiler.put_off()  # before anything imports torchvision

from autograder.proctor import (  # noqa: E402
    answer_tests,
    fake_dataset,
    loaders,
    rehearsal,
    run_script,
    training,
)
from autograder.proctor.channel import Channel  # noqa: E402
from autograder.proctor.examine import examine, variant  # noqa: E402
from autograder.proctor.failure import failure  # noqa: E402

REHEARSAL_S = 40.0  # of CPU time, five times as much by the clock; a training loop without loaders ends here
AT_LENGTH_S = 20.0  # the same where epochs have their whole length, so that nobody waits long for what stays unknown
REHEARSAL_IMAGES = 20
REHEARSED_EPOCHS = 2  # of a script that comes with the homework, which is told how many
FIRST_LINE = (
    "[proctor] the test images in this run are stand-ins: what the script prints as test accuracy doesn't count. "
    "The grader tests the network on the real ones after training.\n"
)


def main() -> None:
    """Do one job."""
    read, write = (int(number) for number in sys.argv[-2:])
    channel = Channel(read, write)
    gc.freeze()  # what was imported lives on: no collection has to walk it
    job = channel.job()
    homework = load(job["homework"])
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    if job["kind"] == "observe":
        _observe(channel, homework, job)
    else:
        _train(channel, homework, job)


def _observe(channel: Channel, homework: Homework, job: dict[str, Any]) -> None:
    file, official = job["file"], homework.own_dataset
    images, labels = draw_for(official, REHEARSAL_IMAGES)
    fake_dataset.install(
        fake_dataset.Pictures(
            fake_dataset.Split(images, labels, official.train_count),
            fake_dataset.Split(images, labels, official.test_count),
            class_names(official),
        ),
        official.read_as,
    )

    def finish(rehearsing: rehearsal.Rehearsing, ended: str, error: BaseException | None) -> NoReturn:
        rehearsal = rehearsing.observed(ended, error)
        network, trouble, variants = None, None, []
        kind = run_script.find_class(homework.network, homework.stem)
        if kind is not None:
            run_script.call_by_its_name(kind)
            network, trouble = examine(
                kind,
                homework.arguments,
                homework.input_shape,
                file,
                below=official.values,
                values=homework.tells_initial_values,
                entries=bool(homework.entries),
                by_place=homework.family is not None and homework.family.compares_answers,
            )
            if network is not None:
                variants = [variant(kind, given, homework.input_shape, file) for given in homework.other_arguments]
        channel.send(
            "observations",
            rehearsal=rehearsal,
            network=network,
            network_failure=trouble,
            variants=[each.model_dump() for each in variants],
        )
        _leave()

    sides = len(homework.input_shape) + 1
    epochs, absent, at_length = homework.full.epochs, job.get("as_if_absent", ()), job.get("at_length", False)
    seconds = AT_LENGTH_S if at_length else REHEARSAL_S
    rehearsing = rehearsal.Rehearsing(file, seconds, epochs, finish, absent, sides, at_length)
    error = run_script.run(job["script"], _arguments(homework, REHEARSED_EPOCHS))
    finish(rehearsing, "finished", error)


def _train(channel: Channel, homework: Homework, job: dict[str, Any]) -> None:
    images = np.load(job["train_images"], mmap_mode="r", allow_pickle=False)[: job["train_count"]]
    labels = np.load(job["train_labels"], mmap_mode="r", allow_pickle=False)[: job["train_count"]]
    shown = np.resize(np.arange(len(labels)), job["test_count"])
    if homework.own_dataset.classes:
        shown = fake_dataset.covering(np.asarray(labels), job["test_count"])
    preview = job["preview"]
    official = homework.own_dataset
    lengths = (official.train_count, official.test_count) if preview else (len(labels), len(shown))
    fake_dataset.install(
        fake_dataset.Pictures(
            fake_dataset.Split(images, labels, lengths[0]),
            fake_dataset.Split(images[shown], labels[shown], lengths[1]),
            tuple(job["classes"]),
        ),
        official.read_as,
    )
    ration = loaders.Ration()
    if preview:
        ration = loaders.Ration(len(labels), test_images=len(shown), tells_whole=job.get("tells_whole", False))
    sys.stdout.write(FIRST_LINE)
    sys.stdout.flush()
    file = job["file"]

    def finish(watched: training.Training, ended_by: str, error: BaseException | None) -> NoReturn:
        # In place, wherever the script is: what it has under way must not run on while the network is tested.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        network: nn.Module | None = watched.network(homework.network)
        report = watched.summary(ended_by, error, network)
        prepared = None
        if network is not None:
            seen = fake_dataset.StandIn.pictures.train
            prepared, followed = answer_tests.preparation(
                watched, seen.repeated(images) if official.is_file else images
            )
            report = report.model_copy(update={"unfollowed": not followed})
            if prepared is None:
                unknown = marked("what the network was trained on can't be made of test images: no transform says how")
                report = report.model_copy(update={"problem": unknown})
        channel.send("trained", report=report)
        if network is not None and prepared is not None:
            try:
                answer_tests.answer(channel, network, file, watched.kept, watched.before, prepared=prepared)
            except EOFError:  # the grader has gone
                pass
            except Exception as trouble:
                channel.send("failed", failure=failure(trouble, file))
        _leave()

    watched = training.Training(
        file=file,
        images_budget=job["epochs"] * len(labels),
        epoch_images=len(labels),
        time_box_s=job["time_box_s"],
        ration=ration,
        report=lambda progress: channel.send("progress", **progress),
        finish=finish,
        network_name=homework.network,
        keep_epochs=homework.tests_epochs,
        as_if_absent=job.get("as_if_absent", ()),
    )
    device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    channel.send("started", device=device, threads=torch.get_num_threads())
    error = run_script.run(job["script"], _arguments(homework, job["epochs"]), job.get("seed", 0))
    finish(watched, "script", error)


def _arguments(homework: Homework, epochs: int) -> list[str]:
    """The arguments of a script that comes with the homework; a student's script gets none."""
    return ["--epochs", str(epochs)] if homework.given else []


def _leave() -> NoReturn:
    """End the process at once: whatever the script left to run at its exit doesn't run."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(0)


if __name__ == "__main__":
    sys.path[:] = [place for place in sys.path if place != str(Path(__file__).parent)]
    main()
