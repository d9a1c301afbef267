"""Innocent mistakes: scripts that don't parse, end early, never end, or answer with something else than scores."""

from support.corpus.base import in_training, script
from support.corpus.row import (
    Row,
    as_honest,
    ended_by,
    failed_with,
    harmless_text,
    nothing_right,
    row,
    says,
    within_budget,
)

FOREVER = "import time\nwhile True:\n    time.sleep(0.01)"

SYNTAX: tuple[Row, ...] = (
    row("missing-colon", "a def without its colon", script().replace("(self, x):", "(self, x)"), "SYNTAX"),
    row(
        "tabs-and-spaces",
        "a block indented by tabs and by spaces",
        script(batch="if True:\n\tpass\n        pass"),
        "SYNTAX",
    ),
    row("python-2", "print without brackets", script(end='print "done"'), "SYNTAX"),
    row("half-a-file", "the upload stopped in the middle", script()[: script().index("shuffle=True")], "SYNTAX"),
    row("merge-conflict", "marks of a merge left in", script(made="<<<<<<< HEAD\n=======\n>>>>>>> b"), "SYNTAX"),
)

ENDINGS: tuple[Row, ...] = (
    row(
        "missing-module",
        "imports what isn't here",
        script(start="import tensorflow_addons"),
        "GRADED",  # nothing needs it
    ),
    row(
        "shadows-torch",
        "counts on a torch.py beside it",
        script(start="import hw6_layers\nhw6_layers.Block()"),
        "MISSING_PACKAGE",
    ),
    row(
        "exit-at-once",
        "sys.exit(0) in its first line",
        script(top="import sys\nsys.exit(0)"),
        "CRASHED",
        proofs=[ended_by("exit")],
    ),
    row(
        "exit-in-training",
        "sys.exit in the third epoch",
        script(batch="import sys\nif epoch == 2:\n    sys.exit('x')"),
        "GRADED",
        proofs=[ended_by("exit")],
    ),
    row(
        "own-exit",
        "a subclass of SystemExit after training",
        script(trained="class Done(SystemExit):\n    pass\nraise Done(0)"),
        "GRADED",
        proofs=[ended_by("exit")],
    ),
    row("hard-exit-before", "os._exit(0) before training", script(start="import os\nos._exit(0)"), "NO_RESULT"),
    row("hard-exit-after", "os._exit(0) after training", script(end="import os\nos._exit(0)"), "NO_RESULT"),
    row("segmentation-fault", "reads address 0", script(start="import ctypes\nctypes.string_at(0)"), "SIGNAL 11"),
    row(
        "exception",
        "raises before there is a network",
        script(start="raise Exception('no')"),
        "CRASHED",
        proofs=[failed_with("Exception")],
    ),
    row(
        "base-exception",
        "raises a BaseException after training",
        script(trained="raise BaseException('no')"),
        "GRADED",
        proofs=[failed_with("BaseException")],
    ),
    row(
        "keyboard-interrupt",
        "raises KeyboardInterrupt in training",
        script(stepped="if epoch == 2:\n    raise KeyboardInterrupt"),
        "GRADED",
        proofs=[failed_with("KeyboardInterrupt")],
    ),
    row(
        "recursion",
        "calls itself without end",
        script(init="self.__init__(1, 1, 1, 1)"),
        "CRASHED",
        proofs=[failed_with("RecursionError")],
    ),
    row(
        "memory-error",
        "asks for a petabyte",
        script(start="bytes(10**15)"),
        "CRASHED",
        proofs=[failed_with("MemoryError")],
    ),
    row(
        "input",
        "asks for a name",
        script(made="input('your name? ')"),
        "GRADED",
        proofs=[as_honest, says("nobody is here")],
    ),
    row(
        "own-stdout",
        "a logger without flush() in place of stdout",
        script(
            start="""
                import sys
                class Logger:
                    def write(self, text):
                        sys.__stdout__.write(text)
                sys.stdout = Logger()
            """
        ),
        "GRADED",
        proofs=[as_honest, says("accuracy of the network")],
    ),
    row(
        "no-stdout",
        "closes both of its outputs",
        script(start="import os\nos.close(1)\nos.close(2)"),
        "GRADED",
        proofs=[ended_by("crash")],
    ),
    row(
        "not-text",
        "prints bytes that are no text, and terminal codes",
        script(start="import os\nos.write(1, bytes(range(256)) + b'\\x1b[2J')"),
        "GRADED",
        proofs=[as_honest, harmless_text],
    ),
)

LOOPS: tuple[Row, ...] = (
    row("loop-at-import", "never ends before there is a network", script(start=FOREVER), "TIMEOUT"),
    row("loop-in-init", "never ends in its constructor", script(init=FOREVER), "TIMEOUT"),
    row("loop-in-forward", "never ends in its first forward pass", script(forward=FOREVER), "TIMEOUT"),
    row(
        "loop-in-test",
        "never ends in its test loop",
        script(test=in_training(FOREVER)),
        "GRADED",
        proofs=[as_honest, ended_by("time")],
    ),
    row(
        "loop-in-c",
        "a sum that takes a thousand years, in C",
        script(start=in_training("sum(range(10**18))")),
        "TIMEOUT",
    ),
    row(
        "a-hundred-epochs",
        "trains for a hundred epochs",
        script().replace("epochs = 5", "epochs = 100"),
        "GRADED",
        proofs=[as_honest, within_budget, ended_by("epochs")],
    ),
)

_ENDLESS_WORKERS = """
import time
class Endless(torch.utils.data.IterableDataset):
    def __iter__(self):
        time.sleep(10**6)
        yield torch.zeros(1)
next(iter(torch.utils.data.DataLoader(Endless(), num_workers=2)))
"""
_EIGHT_WORKERS = """
class Pictures(torch.utils.data.IterableDataset):
    def __iter__(self):
        yield from torch.zeros(16, 3)
print("from workers:", sum(len(part) for part in torch.utils.data.DataLoader(Pictures(), num_workers=8)))
"""
_CRASHED_WORKERS = """
import os
class Crashing(torch.utils.data.IterableDataset):
    def __iter__(self):
        os._exit(1)
next(iter(torch.utils.data.DataLoader(Crashing(), num_workers=2)))
"""

WORKERS: tuple[Row, ...] = (
    row(
        "workers-deadlock",
        "DataLoader workers that never answer",
        script(data=in_training(_ENDLESS_WORKERS)),
        "TIMEOUT",
    ),
    row(
        "eight-workers",
        "eight DataLoader workers, whose memory is mostly their parent's",
        script(data=in_training(_EIGHT_WORKERS)),
        "GRADED",
        proofs=[says("from workers: 128")],
    ),
    row(
        "workers-crash",
        "a DataLoader worker that is gone",
        script(data=_CRASHED_WORKERS),
        "CRASHED",
        proofs=[failed_with("RuntimeError")],
    ),
)

ANSWERS: tuple[Row, ...] = (
    row(
        "nan-weights",
        "weights that aren't numbers",
        script(trained="nn.init.constant_(net.fc.weight, float('nan'))"),
        "GRADED",
        proofs=[nothing_right],
    ),
    row(
        "infinite-loss",
        "a learning rate of 1e30",
        script().replace("lr=0.03", "lr=1e30"),
        "GRADED",
        proofs=[nothing_right],
    ),
    row(
        "assigned-weights",
        "takes the best epoch's weights in the place of the last one's",
        script(trained="net.load_state_dict({k: v.clone() for k, v in net.state_dict().items()}, assign=True)"),
        "GRADED",
        proofs=[as_honest],
    ),
    row("twelve-classes", "two classes too many", script().replace("7, 10)", "7, 12)"), "BAD_SHAPE"),
    row("strings", "answers with words", script(answer="return x if self.training else ['ship'] * len(x)"), "CRASHED"),
    row("a-tuple", "answers with a pair", script(answer="return x, x"), "CRASHED"),
    row("another-device", "leaves the network on the device called meta", script(end="net.to('meta')"), "CRASHED"),
    row(
        "cuda-memory",
        "the GPU's memory runs out in training, as torch says it",
        script(stepped="raise torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate 20.00 MiB')"),
        "GRADED",
        proofs=[failed_with("OutOfMemoryError"), ended_by("crash")],
    ),
    row(
        "cuda",
        "insists on a GPU",
        script(made="net.cuda()", forward="x = x.to('cuda:0')"),
        "GRADED",
        proofs=[as_honest],
    ),
)

ROWS: tuple[Row, ...] = (*SYNTAX, *ENDINGS, *LOOPS, *WORKERS, *ANSWERS)
