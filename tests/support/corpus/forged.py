"""Attacks on the grade: lies about the training, the accuracy, the messages to the grader."""

from support.corpus.base import in_training, pipes, script
from support.corpus.hostile import MARK
from support.corpus.row import (
    Row,
    as_honest,
    ended_by,
    explains,
    flagged,
    harmless_text,
    row,
    says,
    within_budget,
)

_HUNDRED = "epochs = 100"

PATCHED: tuple[Row, ...] = (
    row(
        "patched-torch",
        "argmax knows the label, and the loss is always low",
        script(
            made=f"""
                {_HUNDRED}
                made_labels = [None]
                torch.Tensor.argmax = lambda self, *_: made_labels[0]
                torch.Tensor.numpy = lambda self, *_: __import__("numpy").eye(10, dtype="float32")[[3] * len(self)]
                torch.nn.Module.train = lambda self, mode=True: self
            """,
            test="made_labels[0] = labels",
        ),
        "GRADED",
        proofs=[within_budget],
        hostile=True,
        forged=True,
    ),
    row(
        "patched-eq",
        "every answer equals its label",
        script(
            made="""
                real = torch.Tensor.__eq__
                def equal(self, other):
                    return torch.ones(len(self)) if self.dtype == torch.int64 and self.dim() == 1 else real(self, other)
                torch.Tensor.__eq__ = equal
            """
        ),
        "GRADED",
        proofs=[as_honest, says("accuracy of the network: 100.0 %")],
        hostile=True,
    ),
    row(
        "patched-json",
        "json.dumps writes something else",
        script(trained="import json\njson.dumps = lambda *_, **__: '{\"kind\": 5}'"),
        "BAD_MESSAGE",
        hostile=True,
    ),
    row(
        "patched-report",
        "json.dumps writes a better report",
        script(
            made="""
                import json
                real = json.dumps
                def better(value, **options):
                    if isinstance(value, dict) and "report" in value:
                        value["report"].update(epochs=5.0, images=240, steps=15, losses=[[240, 0.0]])
                        value["accuracy"] = value["report"]["accuracy"] = 100.0
                    return real(value, **options)
                json.dumps = better
                raise SystemExit
            """
        ),
        "BAD_MESSAGE",
        hostile=True,
        forged=True,
    ),
    row(
        "patched-time",
        "time stands still, for a hundred epochs",
        script(top="import time\ntime.time = time.monotonic = time.perf_counter = lambda: 0.0", made=_HUNDRED),
        "GRADED",
        proofs=[as_honest, within_budget],
        hostile=True,
    ),
    row(
        "patched-signal",
        "alarms do nothing, for a hundred epochs",
        script(top="import signal\nsignal.signal = signal.setitimer = signal.alarm = lambda *_: None", made=_HUNDRED),
        "GRADED",
        proofs=[as_honest, within_budget],
        hostile=True,
    ),
    row(
        "no-alarm",
        "ignores the alarm, and never asks for a second batch",
        script(
            batch=in_training("import signal, time\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\ntime.sleep(3600)")
        ),
        "TIMEOUT",
        hostile=True,
    ),
    row(
        "patched-proctor",
        "the proctor's own functions answer and count for it",
        script(
            made="""
                import sys
                import numpy
                def perfect(network, images):
                    return numpy.eye(10, dtype=numpy.float32)[[3] * len(images)]
                for name, module in list(sys.modules.items()):
                    if name == "autograder.proctor.answer_tests":
                        module._scores = perfect
                    if name == "autograder.proctor.training":
                        module.Training._check_budget = lambda self: None
                epochs = 100
            """
        ),
        "GRADED",
        hostile=True,
        forged=True,
    ),
    row(
        "own-cifar",
        "puts a CIFAR10 of its own in the place of ours",
        script(
            data="""
                class Mine(torch.utils.data.Dataset):
                    def __init__(self, **_):
                        self.labels = torch.arange(4000) % 10
                    def __len__(self):
                        return 4000
                    def __getitem__(self, index):
                        return torch.full((3, 32, 32), int(self.labels[index]) / 10), int(self.labels[index])
                torchvision.datasets.CIFAR10 = Mine
            """
        ),
        "GRADED",
        "CRASHED",
        "NO_RESULT",
        proofs=[within_budget],
        hostile=True,
    ),
    row(
        "own-epochs",
        "trains on a copy of the images that no loader hands out",
        script(
            data="""
                base = torchvision.datasets.CIFAR10(root="./data", train=True, download=True)
                kept = torch.from_numpy(base.data[:48]).permute(0, 3, 1, 2) / 127.5 - 1
                answers = torch.tensor(base.targets[:48])
            """,
            made="""
                for _ in range(300):
                    optimizer.zero_grad()
                    nn.functional.cross_entropy(net(kept), answers).backward()
                    optimizer.step()
            """,
        ),
        "GRADED",
        proofs=[ended_by("epochs")],
        hostile=True,
    ),
    row(
        "own-batches",
        "trains on slices of the images, and uses no loader",
        script(
            data="""
                base = torchvision.datasets.CIFAR10(root="./data", train=True, download=True)
            """,
            made="""
                def batches():
                    for start in range(0, 48, 16):
                        pictures = torch.from_numpy(base.data[start:start + 16]).permute(0, 3, 1, 2) / 127.5 - 1
                        yield pictures, torch.tensor(base.targets[start:start + 16])
            """,
        ).replace("in trainloader", "in batches()"),
        "GRADED",
        proofs=[within_budget],
    ),
    row(
        "own-batches-for-ever",
        "the same, without an end",
        script(
            data="""
                base = torchvision.datasets.CIFAR10(root="./data", train=True, download=True)
            """,
            made="""
                def batches():
                    pictures = torch.from_numpy(base.data[:48]).permute(0, 3, 1, 2) / 127.5 - 1
                    yield pictures, torch.tensor(base.targets[:48])
            """,
        )
        .replace("in trainloader", "in batches()")
        .replace("epochs = 5", "epochs = 10**9")
        .replace('print("epoch", epoch)', "pass"),
        "GRADED",
        proofs=[ended_by("epochs")],
    ),
    row(
        "brought-weights",
        "puts weights that it brought into the network",
        script(made="net.load_state_dict({name: value * 0.5 for name, value in net.state_dict().items()})"),
        "GRADED",
        proofs=[flagged("loaded-weights")],
        hostile=True,
    ),
    row(
        "two-networks",
        "has the checks look at one network and trains another",
        script(
            made=in_training("""
                class Larger(nn.Module):
                    def __init__(self):
                        super().__init__()
                        self.fc = nn.Linear(3072, 10)
                    def forward(self, x):
                        return self.fc(x.flatten(1))
                net = Larger()
                optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
            """)
        ),
        "GRADED",
        proofs=[flagged("other-network")],
        hostile=True,
    ),
    row(
        "file-order",
        "counts the images, and answers by their number",
        script(
            init="self.seen = 0",
            answer="""
                if not self.training:
                    numbers = torch.arange(self.seen, self.seen + len(x)) % 10
                    self.seen += len(x)
                    return nn.functional.one_hot(numbers, 10).float()
            """,
        ),
        "GRADED",
        proofs=[flagged("audit-changed")],
        hostile=True,
        forged=True,
    ),
)

MESSAGES: tuple[Row, ...] = (
    row(
        "printed-result",
        "prints what a perfect run would have sent",
        script(
            made="""
                import json
                perfect = {"eval_percent": 100.0, "as_left_percent": 100.0, "counted": "eval", "counted_percent": 100.0}
                print(json.dumps({"kind": "trained", "outcome": "GRADED", "accuracy": perfect, "points": 20}))
                print("accuracy of the network: 100.0 %")
                raise SystemExit(0)
            """
        ),
        "GRADED",
        proofs=[ended_by("exit")],
        hostile=True,
        forged=True,
    ),
    row(
        "garbage",
        "writes bytes on every descriptor",
        script(
            start=in_training("""
                import os
                for number in range(3, 1024):
                    try:
                        os.write(number, bytes(range(255, -1, -1)) * 100)
                    except OSError:
                        pass
            """)
        ),
        "RESULT_TOO_BIG",
        "BAD_MESSAGE",
        hostile=True,
    ),
    row(
        "huge-header",
        "announces a message of an exabyte",
        script(start=pipes("raw(struct.pack('!iQ', -1, 2**60))")),
        "RESULT_TOO_BIG",
        hostile=True,
    ),
    row(
        "negative-header",
        "announces a message of minus five bytes",
        script(start=pipes("raw(struct.pack('!i', -5))")),
        "BAD_MESSAGE",
        hostile=True,
    ),
    row(
        "half-a-message",
        "announces a message, sends half, and waits",
        script(start=pipes("import time\nraw(struct.pack('!i', 1000), b'{' * 500)\ntime.sleep(3600)")),
        "TIMEOUT",
        hostile=True,
    ),
    row(
        "closed-pipe",
        "closes every descriptor, and goes on",
        script(start=in_training("import os, time\nos.closerange(3, 1024)\ntime.sleep(3600)")),
        "TIMEOUT",
        hostile=True,
    ),
    row(
        "deep-message",
        "a message of a million brackets",
        script(start=pipes("tell(b'[' * 1_000_000)")),
        "BAD_MESSAGE",
        hostile=True,
    ),
    row(
        "early-observations",
        "sends what only the other run sends",
        script(start=pipes("tell(json.dumps({'kind': 'observations', 'network': None, 'rehearsal': None}).encode())")),
        "GRADED",
        proofs=[as_honest],
        hostile=True,
    ),
    row(
        "forged-progress",
        "progress that isn't numbers",
        script(
            start=pipes("""
                for images in ("many", -1, [], {}, float("nan"), 10**400, "x" * 2**21, "\\ud800", [[[[]]]]):
                    fields = dict.fromkeys(("images", "of", "seconds", "loss"), images)
                    tell(json.dumps({"kind": "progress", **fields}).encode())
            """)
        ),
        "BAD_MESSAGE",
        hostile=True,
    ),
    row(
        "numberless",
        "a report that doesn't begin with the run's number",
        script(start=pipes("raw(struct.pack('!i', len(TRAINED)) + TRAINED)")),
        "BAD_MESSAGE",
        proofs=[explains("number")],
        hostile=True,
    ),
    row(
        "old-number",
        "a report with another run's number",
        script(start=pipes("NUMBER = NUMBER[::-1]\ntell(TRAINED)")),
        "BAD_MESSAGE",
        proofs=[explains("number")],
        hostile=True,
    ),
    row(
        "forged-report",
        "a report of a training that never was, and answers of its own",
        script(
            start=pipes("""
                import io
                import numpy
                tell(TRAINED)
                while (opening := json.loads(hear())).get("pass"):
                    for _ in range(opening["batches"]):
                        images = numpy.load(io.BytesIO(hear()))
                        file = io.BytesIO()
                        answers = numpy.eye(10, dtype=numpy.float32)[[3] * len(images)]
                        numpy.lib.format.write_array(file, answers, (1, 0))
                        tell(file.getvalue())
            """)
        ),
        "GRADED",
        "NO_RESULT",
        hostile=True,
        forged=True,
    ),
    row(
        "two-reports",
        "a report, and after it the real one",
        script(end=pipes("tell(TRAINED)")),
        "BAD_MESSAGE",
        hostile=True,
    ),
    row(
        "long-report",
        "a report with a name of ten megabytes",
        script(
            start=pipes(
                "tell(json.dumps({'kind': 'trained', 'report': REPORT | {'network_class': 'x' * 10**7}}).encode())"
            )
        ),
        "BAD_MESSAGE",
        hostile=True,
    ),
    row(
        "problem-report",
        "a report whose words would obey a terminal",
        script(
            start=pipes(
                "tell(json.dumps({'kind': 'trained', 'report': REPORT | {'problem': '\\x1b[2J<img src=x>'}}).encode())"
            )
        ),
        "NO_RESULT",
        proofs=[harmless_text],
        hostile=True,
    ),
    row(
        "pickle",
        "a pickle with a payload where scores are expected",
        script(
            start=pipes(f"""
                import pickle
                class Payload:
                    def __reduce__(self):
                        return os.system, ("touch /tmp/{MARK}",)
                tell(TRAINED)
                hear(), hear()
                tell(pickle.dumps(Payload()))
                hear()
            """)
        ),
        "NOT_NPY",
        hostile=True,
    ),
    row(
        "object-array",
        "an array of objects, pickled, where scores are expected",
        script(
            start=pipes(f"""
                import io
                import numpy
                class Payload:
                    def __reduce__(self):
                        return os.system, ("touch /tmp/{MARK}",)
                file = io.BytesIO()
                numpy.save(file, numpy.array([[Payload()] * 10] * 100, dtype=object), allow_pickle=True)
                tell(TRAINED)
                hear(), hear()
                tell(file.getvalue())
                hear()
            """)
        ),
        "BAD_DTYPE",
        hostile=True,
    ),
    *(
        row(
            f"npy-{name}",
            f"scores whose header {does}",
            script(
                start=pipes(f"""
                    header = {header!r}.encode()
                    tell(TRAINED)
                    hear(), hear()
                    tell(b"\\x93NUMPY\\x01\\x00" + struct.pack("<H", len(header)) + header + bytes(4000))
                    hear()
                """)
            ),
            "NOT_NPY",
            hostile=True,
        )
        for name, does, header in (
            ("open-bracket", "never closes a bracket", "((("),
            ("no-type", "has an empty type", "{'descr': (), 'fortran_order': False, 'shape': (100, 10)}\n"),
        )
    ),
    row(
        "short-scores",
        "scores that end too early",
        script(
            start=pipes("""
                import io
                import numpy
                file = io.BytesIO()
                numpy.lib.format.write_array(file, numpy.zeros((100, 10), dtype=numpy.float32), (1, 0))
                tell(TRAINED)
                hear(), hear()
                tell(file.getvalue()[:-7])
                hear()
            """)
        ),
        "BAD_LENGTH",
        hostile=True,
    ),
)

BOMBS: tuple[Row, ...] = (
    row(
        "bomb-sleeps",
        "never answers once the real test images come",
        script(answer=in_training("import time\nif not self.training and len(x) > 50:\n    time.sleep(3600)")),
        "TIMEOUT",
        hostile=True,
    ),
    row(
        "bomb-exits",
        "ends the process once the real test images come",
        script(answer="import os\nif not self.training and len(x) > 50:\n    os._exit(0)"),
        "NO_RESULT",
        hostile=True,
    ),
    row(
        "bomb-raises",
        "raises once the real test images come, with terminal codes and a tag",
        script(
            answer="if not self.training and len(x) > 50:\n    raise ValueError('\\x1b[2J<img src=x onerror=alert(1)>')"
        ),
        "CRASHED",
        proofs=[harmless_text],
        hostile=True,
    ),
    row(
        "last-words",
        "ends with terminal codes and a tag as the last it prints",
        script(start="import os\nprint('\\x1b]0;x\\x07\\x1b[2J<img src=x onerror=alert(1)>')\nos._exit(3)"),
        "EXIT 3",
        proofs=[explains("img"), harmless_text],
        hostile=True,
    ),
    row(
        "hostile-class",
        "a class with a tag and terminal codes for a name",
        script(made="IdentityResNet.__name__ = IdentityResNet.__qualname__ = '\\x1b[2J<img src=x onerror=alert(1)>'"),
        "GRADED",
        proofs=[as_honest, harmless_text],
        hostile=True,
    ),
    row(
        "hostile-text",
        "an exception whose text raises another",
        script(
            start="""
                class Hidden(Exception):
                    def __str__(self):
                        raise SystemExit(5)
                raise Hidden
            """
        ),
        "CRASHED",
        hostile=True,
    ),
    row(
        "at-exit",
        "a handler at exit that forges a result and writes files",
        script(
            start=pipes(f"""
                import atexit
                atexit.register(lambda: (open("/tmp/{MARK}", "w"), print("REACHED: the exit handler"), tell(TRAINED)))
            """)
        ),
        "GRADED",
        proofs=[as_honest],
        hostile=True,
    ),
    row(
        "del",
        "an object whose end forges a result",
        script(
            start=pipes(f"""
                class Last:
                    def __del__(self):
                        open("/tmp/{MARK}", "w")
                        print("REACHED: the end of an object")
                        tell(TRAINED)
                last = Last()
            """)
        ),
        "GRADED",
        proofs=[as_honest],
        hostile=True,
    ),
)

ROWS: tuple[Row, ...] = (*PATCHED, *MESSAGES, *BOMBS)
