"""Trainings under the proctor, in real subprocesses: what ends them, what is counted, tested and refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.trained import HEAD, HOMEWORK, NET, SMALL

from autograder.course.dataset import Dataset
from autograder.course.homework import Protocol
from autograder.files import PACKAGE
from autograder.intake.submission import read
from autograder.runner.runner import SANDBOX_RUNNER
from autograder.sandbox import bubblewrap
from autograder.sandbox.run import Limits
from autograder.sandbox.sandbox import Sandbox


@pytest.fixture
def run(tmp_path: Path, practice: Dataset, sandbox_none: Sandbox):
    def train(body: str, protocol: Protocol = SMALL, sandbox: Sandbox = sandbox_none, net: str = NET):
        file = tmp_path / "hw6.py"
        file.write_text(HEAD + net + body)
        return SANDBOX_RUNNER.train(HOMEWORK, read(file), practice, protocol, sandbox, threads=1)

    return train


def test_an_endless_loop_that_catches_everything_ends_with_the_budget(run) -> None:
    training = run(
        """
def main():
    net = IdentityResNet()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    while True:
        try:
            for x, y in loader:
                step(net, optimizer, x, y)
        except BaseException:
            pass
if __name__ == "__main__":
    main()
""",
        net="",
    )
    assert training.outcome == "GRADED"
    assert (training.report.ended_by, training.report.epochs, training.report.images) == ("epochs", 2.0, 80)
    assert training.report.steps == 10
    assert training.scores["eval"].shape == training.scores["as_left"].shape == (20, 10)
    assert (training.report.left_in, training.report.network_class) == ("train", "IdentityResNet")
    assert training.log.splitlines()[0].startswith("[proctor] the test images in this run are stand-ins")


def test_a_script_as_students_write_them(run) -> None:
    training = run(
        """
import matplotlib.pyplot as plt
name = input("your name? ")
images, labels = next(iter(testloader))
plt.imshow(images[0].permute(1, 2, 0) / 2 + 0.5)
plt.show()
part, held_out = torch.utils.data.random_split(trainset, [45000, 5000])
loader = torch.utils.data.DataLoader(part, batch_size=8, shuffle=True, num_workers=2, pin_memory=True)
val_loader = torch.utils.data.DataLoader(held_out, batch_size=8)
net = nn.DataParallel(net.cuda())
device = "cuda:0"
for epoch in range(2):
    net.train()
    for x, y in loader:
        step(net, optimizer, x.to(device), y.to(torch.device("cuda")))
    net.eval()
    with torch.no_grad():
        for x, y in val_loader:
            net.forward(x.to(device))
total, of_class = 0, [0] * 10
with torch.no_grad():
    for x, y in testloader:
        for j in range(4):
            of_class[y[j]] += 1
            total += 1
print("counted", total, [1 / n for n in of_class] and "all classes", len(trainset), len(testset))
"""
    )
    report = training.report
    assert training.outcome == "GRADED", training.message
    assert (report.ended_by, report.epochs, report.left_in, report.test_batch_size) == ("script", 2.0, "eval", 4)
    lines = (HEAD + NET).count("\n")
    assert report.cuda_requests == [lines + 10, lines + 15, lines + 19]
    assert "counted 20 all classes 50000 10000" in training.log
    assert "nobody is here to answer input()" in training.log
    assert np.array_equal(training.scores["eval"], training.scores["as_left"])


@pytest.mark.slow
def test_the_time_box_ends_a_slow_training(run) -> None:
    training = run(
        """
import time
for epoch in range(100):
    for x, y in loader:
        step(net, optimizer, x, y)
        time.sleep(0.5)
""",
        replace(SMALL, epochs=50, time_box_s=3),
    )
    assert training.outcome == "GRADED"
    assert training.report.ended_by == "time"
    assert 3 <= training.report.seconds < 10
    assert 0 < training.report.epochs < 5


def test_a_crash_in_training_leaves_what_was_trained(run) -> None:
    training = run(
        """
for i, (x, y) in enumerate(loader):
    step(net, optimizer, x, y)
    if i == 2:
        raise RuntimeError("this is where it breaks")
"""
    )
    assert training.outcome == "GRADED"
    assert training.report.ended_by == "crash"
    assert training.report.failure.message == "this is where it breaks"
    assert training.report.failure.line == (HEAD + NET).count("\n") + 5
    assert (training.report.steps, training.report.images) == (3, 24)


def test_who_counts_on_a_whole_pass_has_used_up_a_preview(run) -> None:
    training = run("batches = iter(loader)\nfor _ in range(100):\n    step(net, optimizer, *next(batches))\n")
    assert training.outcome == "GRADED"
    assert (training.report.ended_by, training.report.failure, training.report.images) == ("epochs", None, 40)


def test_who_counts_on_the_whole_test_set_has_used_up_a_preview(run) -> None:
    loop = "for epoch in range(2):\n    for x, y in loader:\n        step(net, optimizer, x, y)\n"
    training = run(loop + "total = sum(len(y) for x, y in testloader)\nassert total == len(testset), total\n")
    assert (training.report.ended_by, training.report.failure, training.report.images) == ("epochs", None, 80)


def test_who_counts_tenths_of_an_epoch_is_trained_once_more(run) -> None:
    loop = "for epoch in range(2):\n    for at, (x, y) in enumerate(loader):\n        step(net, optimizer, x, y)\n"
    training = run(loop + "        if at % (len(loader) // 10) == 0:\n            print('tenth of', len(loader))\n")
    assert (training.report.ended_by, training.report.failure, training.report.epochs) == ("script", None, 2.0)
    assert "tenth of 6250" in training.log


@pytest.mark.parametrize(
    ("body", "outcome", "ended_by"),
    [
        pytest.param("import os; os._exit(3)", "EXIT 3", None, id="exits at once"),
        pytest.param("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGNAL 11", None, id="a signal"),
        pytest.param("del net, optimizer, IdentityResNet", "NO_RESULT", "script", id="no network"),
        pytest.param("net.fc = nn.Linear(3072, 7); net.bn = nn.BatchNorm1d(7)", "BAD_SHAPE", "script", id="7 classes"),
        pytest.param("net.forward = lambda x: x.nothing", "CRASHED", "script", id="fails on test images"),
        pytest.param("net.forward = lambda x: [1, 2]", "CRASHED", "script", id="answers with a list"),
        pytest.param(
            "import os\nfor fd in range(3, 300):\n try: os.write(fd, b'\\xff' * 100)\n except OSError: pass",
            "RESULT_TOO_BIG",
            None,
            id="rubbish in the pipe",
        ),
        pytest.param(
            "import sys\nframe = sys._getframe()\nwhile frame and 'channel' not in frame.f_locals:\n"
            "    frame = frame.f_back\nframe.f_locals['channel'].send('trained', report={})",
            "BAD_MESSAGE",
            None,
            id="a forged report",
        ),
    ],
)
def test_a_run_that_gives_nothing_to_grade_says_why(run, body: str, outcome: str, ended_by: str | None) -> None:
    training = run(body)
    assert training.outcome == outcome
    assert training.message
    assert training.scores == {}
    assert (training.report.ended_by if training.report else None) == ended_by


@pytest.mark.slow
def test_a_loop_that_spins_without_asking_for_images_is_ended(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograder.runner.train.SETUP_S", 15.0)
    training = run("while True:\n    pass")
    assert training.outcome == "TIMEOUT"
    assert training.scores == {}


def test_what_is_read_without_a_loader_counts_too(run) -> None:
    training = run(
        """
for i in range(10_000):
    x, y = trainset[i]
    optimizer.zero_grad()
    net.bn.eval()
    nn.functional.cross_entropy(net(x[None]), torch.tensor([y])).backward()
    optimizer.step()
"""
    )
    assert training.outcome == "GRADED"
    assert (training.report.ended_by, training.report.images, training.report.epochs) == ("epochs", 80, 2.0)


EPOCHS = """
for epoch in range(2):
    for x, y in loader:
        step(net, optimizer, {x}, y)
"""
TESTED = """
net.eval()
with torch.no_grad():
    for x, y in testloader:
        net({x})
"""


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory, practice: Dataset, sandbox_none: Sandbox):
    """The scores of a script whose datasets' transform makes of pixels all that the network is given."""
    file = tmp_path_factory.mktemp("usual") / "hw6.py"
    file.write_text(HEAD + NET + EPOCHS.format(x="x"))
    return SANDBOX_RUNNER.train(HOMEWORK, read(file), practice, SMALL, sandbox_none, threads=1).scores["eval"]


@pytest.mark.parametrize("tested", ["", TESTED], ids=["no test loop", "a test loop"])
@pytest.mark.parametrize(
    ("transform", "x"),
    [
        ("T.ToTensor()", "(x - 0.5) / 0.5"),
        ("T.ToTensor()", "x.sub_(0.5).div_(0.5)"),
        ("T.PILToTensor()", "x.float() / 127.5 - 1"),
        ("tf", "x.double()"),
    ],
    ids=["normalised", "in place", "whole numbers", "float64"],
)
def test_what_a_script_does_to_a_batch_is_done_to_test_images(run, usual, transform: str, x: str, tested: str) -> None:
    kind = "net.double()\n" if "double" in x else ""
    body = EPOCHS.format(x=x) + tested.format(x=x)
    training = run(f"{kind}trainset.transform = testset.transform = {transform}\n{body}")
    assert (training.outcome, training.report.unfollowed) == ("GRADED", False)
    np.testing.assert_allclose(training.scores["eval"], usual, rtol=1e-3, atol=1e-4)


ANY_SIZE = """
class AnySize(IdentityResNet):
    def forward(self, x):
        return super().forward(nn.functional.adaptive_avg_pool2d(x, 32))
net = AnySize()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
"""
OTHER = "trainset.transform = testset.transform = T.ToTensor()\n"
LOADERS = """
loader = torch.utils.data.DataLoader({train}, batch_size=8, shuffle=True{more})
testloader = torch.utils.data.DataLoader({test}, batch_size=4{more})
"""
OWN = """
trainset.transform = testset.transform = None
class Own(torch.utils.data.Dataset):
    def __init__(self, base):
        self.base = base
        self.x = torch.tensor(base.data[:400]).permute(0, 3, 1, 2).float() / 127.5 - 1
    def __len__(self):
        return len(self.base)
    def __getitem__(self, index):
        x, y = self.base[index]
        return {item}
"""
BY_ITEM = OWN.format(item="tf(x), y") + LOADERS.format(train="Own(trainset)", test="Own(testset)", more="")
BY_NAME = OWN.format(item="{'label': y, 'image': tf(x)}") + LOADERS.format(
    train="Own(trainset)", test="Own(testset)", more=""
)
IN_ADVANCE = OWN.format(item="self.x[index % len(self.x)], y").replace(
    "x, y = self.base[index]", "y = self.base.targets[index]"
) + LOADERS.format(train="Own(trainset)", test="Own(testset)", more="")
TOGETHER = """
trainset.transform = testset.transform = None
def together(items):
    return torch.stack([tf(x) for x, _ in items]), torch.tensor([y for _, y in items])
""" + LOADERS.format(train="trainset", test="testset", more=", collate_fn=together")
SUBCLASS = """
class Mine(torchvision.datasets.CIFAR10):
    def __getitem__(self, index):
        x, y = super().__getitem__(index)
        return tf(x), y
""" + LOADERS.format(train="Mine('./data')", test="Mine('./data', train=False)", more="")


@pytest.mark.parametrize("tested", ["", TESTED], ids=["no test loop", "a test loop"])
@pytest.mark.parametrize(
    "made",
    [BY_ITEM, BY_NAME, IN_ADVANCE, TOGETHER, SUBCLASS],
    ids=["item", "name", "in advance", "together", "subclass"],
)
def test_code_between_a_dataset_and_a_batch_makes_test_images_too(run, usual, made: str, tested: str) -> None:
    body = EPOCHS.format(x="x") + tested.format(x="x")
    if made is BY_NAME:
        body = body.replace("for x, y in", "for both in").replace("step(", "x, y = both['image'], both['label']; step(")
        body = body.replace("net(x)", "net(both['image'])")
    training = run(made + body)
    assert training.outcome == "GRADED"
    np.testing.assert_allclose(training.scores["eval"], usual, rtol=1e-3, atol=1e-3)


KEPT = """
kept = list({loader})
for epoch in range(2):
    for x, y in kept:
        step(net, optimizer, x, y)
"""
AHEAD = """
trainset.transform = testset.transform = T.PILToTensor()
def ahead(batches):
    last = None
    for x, y in batches:
        if last is not None:
            yield last
        last = x.float() / 127.5 - 1, y
    yield last
for epoch in range(2):
    for x, y in ahead(loader):
        step(net, optimizer, x, y)
"""


def test_batches_that_were_fetched_ahead_are_followed(run, usual) -> None:
    training = run(AHEAD)
    assert (training.outcome, training.report.unfollowed) == ("GRADED", False)
    np.testing.assert_allclose(training.scores["eval"], usual, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "read",
    [
        "for x, y in loader:\n    x.mean()\n",
        "stacked = torch.stack([trainset[at][0] for at in range(500)])\n",
        "kept = [item for item, _ in zip(trainset, range(500))]\n",
    ],
    ids=["a pass over the loader", "items one by one", "all items"],
)
def test_what_is_only_read_costs_no_epoch(run, read: str) -> None:
    training = run(read + EPOCHS.format(x="x"))
    assert (training.report.ended_by, training.report.images, training.report.steps) == ("script", 80, 10)


@pytest.mark.parametrize("own", ["", TOGETHER], ids=["usual", "together"])
def test_small_steps_first_and_batches_in_parts_buy_no_images(run, own: str) -> None:
    training = run(
        own
        + """
few = torch.utils.data.DataLoader(trainset, batch_size=1, shuffle=True, collate_fn=loader.collate_fn)
for _, (x, y) in zip(range(4), few):
    net.bn.eval()
    step(net, optimizer, x, y)
while True:
    for x, y in loader:
        optimizer.zero_grad()
        sum(nn.functional.cross_entropy(net(x[at : at + 2]), y[at : at + 2]) for at in range(0, 8, 2)).backward()
        optimizer.step()
"""
    )
    assert (training.report.ended_by, training.report.images, training.report.steps) == ("epochs", 84, 14)


def test_batches_that_were_kept_are_followed(run) -> None:
    in_loop = run(KEPT.format(loader="(((x - 0.5) / 0.5, y) for x, y in loader)").replace("kept =", OTHER + "kept ="))
    kept = run(KEPT.format(loader="loader"))
    assert not kept.report.unfollowed
    assert not in_loop.report.unfollowed
    np.testing.assert_allclose(in_loop.scores["eval"], kept.scores["eval"], rtol=1e-3, atol=1e-3)


def test_images_of_another_size_are_told(run) -> None:
    training = run(EPOCHS.format(x="nn.functional.interpolate(x, 64)"), net=ANY_SIZE)
    assert (training.outcome, training.report.unfollowed) == ("GRADED", True)


@pytest.mark.parametrize("tested", ["", TESTED], ids=["no test loop", "a test loop"])
def test_what_nobody_can_tell_of_batches_is_told_unless_a_test_loop_shows_it(run, tested: str) -> None:
    training = run(EPOCHS.format(x="0.6 * x + 0.4 * x.flip(0, 2)") + tested.format(x="x"))
    assert training.outcome == "GRADED"
    assert training.report.unfollowed == (not tested)


def test_weights_that_ran_off_are_tested_as_they_are(run) -> None:
    training = run("nn.init.constant_(net.fc.weight, float('nan'))")
    assert training.outcome == "GRADED"
    assert np.isnan(training.scores["eval"]).all()


def test_inside_bubblewrap_there_is_no_label_no_network_and_no_home(
    run, sandbox_bwrap: Sandbox, practice: Dataset
) -> None:
    training = run(
        f"""
import os, socket, numpy as np
for place in ("/data", "/submission", {str(PACKAGE.parent)!r}, "/home"):
    print(place, sorted(os.listdir(place)))
print("dataset folder:", os.path.exists({str(practice.folder)!r}))
print("kit folder:", os.path.exists({str(Path(__file__).parent.parent)!r}))
print("environment:", "MARKER" in os.environ)
print("processes:", sum(name.isdigit() for name in os.listdir("/proc")) < 6)
for write in ({str(PACKAGE / "x")!r}, "/data/x", "/usr/x"):
    try:
        open(write, "w")
        print("wrote", write)
    except OSError as error:
        print("refused", write)
try:
    socket.create_connection(("127.0.0.1", 22), timeout=2)
    print("connected")
except OSError:
    print("no network")
augmented = T.Compose([T.RandomHorizontalFlip(), T.ToTensor()])
trainset.transform = augmented
for x, y in torch.utils.data.DataLoader(trainset, batch_size=8, num_workers=2):
    step(net, optimizer, x, y)
print("x" * 70 + "\\n" * 1)
for i in range(20_000):
    print("storm", i)
""",
        sandbox=sandbox_bwrap,
    )
    assert training.outcome == "GRADED", training.message
    log = training.log
    assert "/data ['train_images.npy', 'train_labels.npy']" in log
    assert "/submission ['hw6.py']" in log
    # Beside the kit there is no more than the way to the interpreter, where that lies there too.
    interpreter = [path for path in bubblewrap.interpreter_folders() if path.is_relative_to(PACKAGE.parent)]
    beside = {PACKAGE.name, *(path.relative_to(PACKAGE.parent).parts[0] for path in interpreter)}
    assert f"{PACKAGE.parent} {sorted(beside)}" in log
    assert "/home ['student']" in log
    assert "dataset folder: False" in log
    assert "kit folder: False" in log
    assert "environment: False" in log
    assert "processes: True" in log
    assert "wrote" not in log
    assert "no network" in log
    assert "bytes not kept" in log
    assert log.endswith("storm 19999\n")


@pytest.mark.slow
def test_memory_is_watched_from_outside(run, sandbox_none: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograder.runner.proctored.Limits", lambda seconds: Limits(seconds=seconds, memory_mib=1024))
    training = run("kept = [bytearray(2**28) for _ in range(8)]\nimport time\ntime.sleep(30)")
    assert training.outcome == "MEMORY"


def test_ci_ran_with_the_real_sandbox(sandbox_bwrap: Sandbox) -> None:
    assert sandbox_bwrap.name == "bwrap"
