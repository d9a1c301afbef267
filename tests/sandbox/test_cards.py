"""Which GPUs a machine has, and that a run sees one of them. No real one was at hand: device files and an `nvidia-smi`
of the test's own stand for them."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from autograder import machine
from autograder.machine import Card, cards, unused_gpu
from autograder.runner import gpu_sharing, nvidia_smi
from autograder.sandbox import bubblewrap
from autograder.sandbox.run import Limits
from autograder.sandbox.sandbox import Sandbox

EIGHT = [f"GPU-{number}{number}{number}{number}-aaaa" for number in range(8)]
SLICES = ["MIG-5c1e-1", "MIG-77aa-2"]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file system of a server of eight cards, whose device files are numbered backwards, and its nvidia-smi."""
    for number, uuid in enumerate(EIGHT):
        _write(tmp_path / "dev" / f"nvidia{number}")
        information = f"Model: \t\t NVIDIA H200\nGPU UUID:   \t {uuid}\nDevice Minor: \t {7 - number}\n"
        _write(tmp_path / f"proc/driver/nvidia/gpus/0000:0{number}:00.0/information", information)
    for name in ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools"):
        _write(tmp_path / "dev" / name)
    _nvidia_smi(tmp_path, [(uuid, []) for uuid in EIGHT], monkeypatch)
    return tmp_path


def _write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _nvidia_smi(root: Path, gpus: list[tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch) -> None:
    """One that lists these, with their slices, and says 1,000 MiB and more are used, by the number of the GPU."""
    lines = []
    for number, (uuid, slices) in enumerate(gpus):
        lines.append(f"GPU {number}: NVIDIA H200 (UUID: {uuid})")
        lines += [f"  MIG 1g.18gb     Device  {at}: (UUID: {name})" for at, name in enumerate(slices)]
    command = root / "bin" / "nvidia-smi"
    listed = "\n".join(lines)
    _write(
        command,
        f"#!/bin/sh\nif [ \"$1\" = -L ]; then cat <<'END'\n{listed}\nEND\n"
        'else echo "$@" >>"$0.asked"; echo 1000, 143771; fi\n',
    )
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(command.parent), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    machine._all_cards.cache_clear()


def test_every_card_is_found_with_the_device_file_that_is_its_own(server: Path) -> None:
    found = cards(root=server)
    assert [card.name for card in found] == EIGHT
    assert [card.files for card in found] == [(f"/dev/nvidia{7 - number}",) for number in range(8)]
    assert [str(card) for card in found][:2] == ["GPU 0", "GPU 1"]


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ("0", [0]),
        ("3,1", [3, 1]),
        ("GPU-4444", [4]),
        ("2,9,3", [2]),
        ("", []),
        ("-1", []),
        ("5,5", [5]),
        (None, range(8)),
    ],
)
def test_cards_are_named_as_cuda_names_them(
    asked: str | None, numbers: list[int], server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [card.number for card in cards(asked, server)] == list(numbers)
    if asked is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", asked)
        assert [card.number for card in cards(root=server)] == list(numbers)
        assert len(cards("0,1", server)) == 2  # what is asked for goes before the environment


def test_slices_are_cards_of_their_own(server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _nvidia_smi(server, [(EIGHT[0], SLICES), (EIGHT[1], [])], monkeypatch)
    found = cards(root=server)
    assert [(card.name, card.number) for card in found] == [(SLICES[0], 0), (SLICES[1], 0), (EIGHT[1], 1)]
    assert cards(SLICES[1], server) == (found[1],)
    assert nvidia_smi.memory(found[0]) is None  # so nobody shares a slice


def test_without_nvidia_smi_the_device_files_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for name in ("nvidia2", "nvidia10", "nvidiactl"):
        _write(tmp_path / "dev" / name)
    machine._all_cards.cache_clear()
    assert cards(root=tmp_path) == (Card("0", 0, ("/dev/nvidia2",)), Card("1", 1, ("/dev/nvidia10",)))


def test_windows_card_is_used_and_amds_is_seen_and_said_not_to_be(tmp_path: Path) -> None:
    assert (cards(root=tmp_path), unused_gpu(tmp_path)) == ((), "")
    _write(tmp_path / "amd" / "dev" / "kfd")
    assert cards(root=tmp_path / "amd") == ()
    assert "seen and not used" in unused_gpu(tmp_path / "amd")
    _write(tmp_path / "wsl" / "dev" / "dxg")
    (card,) = cards(root=tmp_path / "wsl")
    assert card.is_wsl
    environment = bubblewrap.environment(1, "/home/student", card)
    assert environment["LD_LIBRARY_PATH"].split(":")[0] == "/usr/lib/wsl/lib"
    assert environment["CUDA_VISIBLE_DEVICES"] == "0"
    _, told = bubblewrap.command({}, Limits(seconds=1), environment, tmp_path, card, None)
    assert told[told.index("/dev/dxg") - 1 : told.index("/dev/dxg") + 2] == ["--dev-bind-try", "/dev/dxg", "/dev/dxg"]


@pytest.mark.parametrize("warm", [False, True])
def test_a_run_sees_its_own_card_and_no_other(
    warm: bool, sandbox_bwrap: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("dev")
    for folder in (place, *place.parents[:3]):  # of this test, of a worker, of this run, of this user
        folder.chmod(0o755)  # a run as root has a user of its own, who has to reach it
    files = [place / f"nvidia{number}" for number in range(8)]
    for file in files:
        file.touch()
    program = "import json, os, sys; seen = [os.path.exists(f) for f in sys.argv[1:9]]\n"
    program += "print(json.dumps([seen, os.environ['CUDA_VISIBLE_DEVICES'], os.path.exists('/dev/nvidia0')]))"
    card = Card(EIGHT[5], 5, (str(files[5]),))
    place_of_card = Sandbox("bwrap", card=card)
    run = place_of_card.start([program, *map(str, files)], {}, Limits(seconds=100), threads=1, gpu=True, warm=warm)
    run.process.wait()
    run.end()
    seen, visible, other = json.loads(run.output())
    assert seen == [number == 5 for number in range(8)]
    assert (visible, other) == (EIGHT[5], False)


def test_eight_trainings_are_on_eight_cards_and_each_is_judged_by_its_own_memory(server: Path) -> None:
    pool = gpu_sharing.pool(cards(root=server), 1)
    try:
        together = threading.Barrier(8, timeout=30)

        def train(_: int) -> str:
            with pool.one() as (card, gate), gate.turn():
                together.wait()
                return card.name

        with ThreadPoolExecutor(8) as threads:
            assert sorted(threads.map(train, range(8))) == EIGHT
        asked = (server / "bin" / "nvidia-smi.asked").read_text()
        assert sorted(word for word in asked.split() if word.startswith("--id=")) == [f"--id={name}" for name in EIGHT]
        assert gpu_sharing.at_a_time(20) == 8
    finally:
        gpu_sharing.end()


def test_without_a_sandbox_a_run_is_told_its_card_by_the_machines_own_number() -> None:
    card = Card("3", 3, ("/dev/nvidia3",))
    assert bubblewrap.environment(1, "/x", card)["CUDA_VISIBLE_DEVICES"] == "0"  # the only one that is there
    assert bubblewrap.environment(1, "/x", card, alone=False)["CUDA_VISIBLE_DEVICES"] == "3"
