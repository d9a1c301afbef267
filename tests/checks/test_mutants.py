"""Every mistake that hw6 is known for, planted alone in a right script: its own check finds it, and no other fails."""

from pathlib import Path

import pytest
from support.mutants import Mutant, assert_caught_alone, mutant, results_of
from support.rehearsals import Results, observe_all

from autograder import checks
from autograder.homeworks import load

HW6 = load("hw6")
RIGHT = (Path(__file__).parent.parent / "scripts" / "hw6_right.py").read_text()

NET = "IdentityResNet(2, 2, 2, 2).to(device)"
STAGE = """        blocks = [Block(cin, cout, stride)]
        blocks += [Block(cout, cout, 1) for _ in range(count - 1)]
"""
BLOCK_BODY = """        out = self.conv1(a)
        out = F.relu(self.bn2(out))
        out = self.conv2(out)
"""
SUM = """        out = out + skip
        return out
"""
SKIP = "        skip = x if self.same else self.match(x)\n"
MATCH = "            self.match = nn.Conv2d(cin, cout, 1, stride=stride)\n"
POOL = "        self.pool = nn.AvgPool2d(4, stride=4)\n"
GLOBAL_POOL = "        self.pool = nn.AdaptiveAvgPool2d(1)\n"
MADE_STEM = "        self.conv = nn.Conv2d(3, 64, 3, stride=1, padding=1)\n"
STEM = "        x = self.conv(x)\n"
FLAT = "        x = x.view(x.size(0), -1)\n"
ANSWER = "        return self.fc(x)\n"
INIT = "        super().__init__()\n        self.conv ="
ZERO = "        optimizer.zero_grad()\n"
FORWARD = "        outputs = net(images)\n"
LOSS = "        loss = criterion(outputs, labels)\n"
BACKWARD = "        loss.backward()\n"
STEP = "        optimizer.step()\n"
TEST = """with torch.no_grad():
    for images, labels in testloader:"""

SHARED_BLOCK = "        blocks = [Block(cin, cout, stride)] * count\n"
REUSED_CONV = """        out = self.conv1(a)
        out = F.relu((self.bn1 if self.same else self.bn2)(out))
        out = (self.conv1 if self.same else self.conv2)(out)
"""
# One convolution and one BN for each width, wherever it occurs; only the convolutions between widths are their own.
ONE_A_WIDTH = (
    (
        "        self.bn1 = nn.BatchNorm2d(cin)\n",
        "        self.bn1 = NORMS.setdefault(cin, nn.BatchNorm2d(cin))\n",
    ),
    (
        "        self.bn2 = nn.BatchNorm2d(cout)\n",
        "        self.bn2 = NORMS.setdefault(cout, nn.BatchNorm2d(cout))\n",
    ),
    (
        "        self.conv1 = nn.Conv2d(cin, cout, 3, stride=stride, padding=1)\n",
        "        self.conv1 = nn.Conv2d(cin, cout, 3, stride=stride, padding=1)\n"
        "        if self.same:\n            self.conv1 = CONVS.setdefault(cout, self.conv1)\n",
    ),
    (
        "        self.conv2 = nn.Conv2d(cout, cout, 3, stride=1, padding=1)\n",
        "        self.conv2 = CONVS.setdefault(cout, nn.Conv2d(cout, cout, 3, stride=1, padding=1))\n",
    ),
    ("class Block(nn.Module):\n", "NORMS, CONVS = {}, {}\n\n\nclass Block(nn.Module):\n"),
    (INIT, "        super().__init__()\n        NORMS.clear()\n        CONVS.clear()\n        self.conv ="),
)
SECOND_NORM_OF_INPUT = "        out = F.relu(self.bn2(x if self.same else out))\n"
ONE_SKIP_OVER_TWO = (
    (SUM, "        return out if self.same else out + skip\n"),
    ("        x = self.stage1(x)\n", "        x = x + self.stage1(x)\n"),
)

SHARED_IN_STAGE_1 = """\
        blocks = [Block(cin, cout, stride)] * count if cin == cout else [Block(cin, cout, stride)]
        blocks += [Block(cout, cout, 1) for _ in range(count - len(blocks))]
"""
MADE_TWICE = """\
        self.bn2 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, stride=1, padding=1)
        if not self.same:
"""
MADE_ONCE = """\
        if not self.same:
            self.bn2 = nn.BatchNorm2d(cout)
            self.conv2 = nn.Conv2d(cout, cout, 3, stride=1, padding=1)
"""
CALLED_FOR_EACH_COUNT = """\
        blocks = [Block(cin, cout, stride)]
        blocks += [Block(cout, cout, 1)] * (count - 1)
        if cin == cout:
            blocks = [blocks[0]] * count
"""
SKIP_AROUND_ONE = """\
        out = self.conv1(a)
        a = F.relu(self.bn2(out))
        out = out + self.conv2(a)
        return out
"""

MUTANTS = [
    mutant(
        "an activation and a norm of the skip's own",
        "skip-option",
        "ReLU and BN of its own first",
        (
            MATCH,
            "            norms = nn.ReLU(), nn.BatchNorm2d(cin)\n"
            "            self.match = nn.Sequential(*norms, nn.Conv2d(cin, cout, 1, stride=stride))\n",
        ),
    ),
    mutant(
        "a norm that reads the same twice",
        "norm-once",
        "`stage2.0.bn1` runs twice on the same input",
        (SKIP, "        skip = x if self.same else self.match(F.relu(self.bn1(x)))\n"),
    ),
    mutant(
        "a first convolution without padding",
        "layers",
        "padding 0",
        (MADE_STEM, "        self.conv = nn.Conv2d(3, 64, 3, stride=1, padding=0)\n"),
        (POOL, "        self.pool = nn.AdaptiveAvgPool2d(1)\n"),
    ),
    mutant(
        "no count is used",
        "block-counts",
        "in stage 1, 2, 3 and 4",
        ("64, nblk_stage1, 1)", "64, 2, 1)"),
        ("128, nblk_stage2, 2)", "128, 2, 2)"),
        ("256, nblk_stage3, 2)", "256, 2, 2)"),
        ("512, nblk_stage4, 2)", "512, 2, 2)"),
    ),
    mutant(
        "a score for two classes",
        "output-shape",
        "(1, 2)",
        ("nn.Linear(512, 10)", "nn.Linear(512, 2)"),
        ("criterion(outputs, labels)", "criterion(outputs, labels % 2)"),
    ),
    # the file
    mutant(
        "a blank at Q4",
        "blanks",
        "Q4 (line",
        ("optimizer = optim.SGD(net.parameters(), lr=0.001, momentum=0.9)", "optimizer = ..."),
    ),
    mutant("a blank at Q8", "blanks", "Q8 (line", (STEP, "        ...\n")),
    mutant(
        "a class body left open",
        "blanks",
        "IdentityResNet (line",
        (RIGHT[RIGHT.index(MADE_STEM) : RIGHT.index("# Q3")], "        ...\n\n\n"),
    ),
    mutant(
        "another class name",
        "builds",
        "no class `IdentityResNet`",
        ("class IdentityResNet(nn.Module):", "class ResNet(nn.Module):"),
        (NET, "ResNet(2, 2, 2, 2).to(device)"),
    ),
    mutant(
        "three counts",
        "builds",
        "TypeError",
        ("nblk_stage3, nblk_stage4):", "nblk_stage3):"),
        ("nblk_stage4, 2)", "nblk_stage3, 2)"),
    ),
    mutant(
        "a misspelt keyword in the constructor",
        "builds",
        "paddding",
        (MADE_STEM, MADE_STEM.replace("padding", "paddding")),
    ),
    mutant(
        "a module that isn't there",
        "runs",
        "ModuleNotFoundError",
        ("import torchvision\n", "import torchvision\nimport torchvison\n"),
    ),
    mutant("a misspelt loss", "runs", "CrossEntropy", ("nn.CrossEntropyLoss()", "nn.CrossEntropy()")),
    mutant("a crash in the training loop", "runs", "NameError", (LOSS, LOSS.replace("criterion", "criterium"))),
    mutant(
        "a crash in the test loop",
        "runs",
        "NameError",
        ("        total += labels.size(0)", "        totals += labels.size(0)"),
    ),
    # the answer
    mutant(
        "squeeze takes a batch of 1 away",
        "output-shape",
        "batch of 1 gives shape (10,)",
        (FLAT, "        x = x.squeeze()\n"),
    ),
    mutant(
        "no linear layer",
        "output-shape",
        "(1, 512)",
        (ANSWER, "        return x\n"),
        ("        self.fc = nn.Linear(512, 10)\n", ""),
    ),
    mutant("a pool that leaves 2x2", "output-shape", "2048", (POOL, POOL.replace("4, stride=4", "2, stride=2"))),
    mutant(
        "a crash in forward",
        "output-shape",
        "AttributeError",
        ("        x = self.pool(x)\n", "        x = self.avgpool(x)\n"),
    ),
    # counts
    mutant(
        "stage 2 gets the count of stage 3",
        "arguments",
        "4 in stage 2 (maps of 16x16)",
        ("128, nblk_stage2, 2)", "128, nblk_stage3, 2)"),
    ),
    mutant(
        "stage 4 gets the count of stage 1",
        "arguments",
        "in stage 4 (maps of 4x4)",
        ("512, nblk_stage4, 2)", "512, nblk_stage1, 2)"),
    ),
    mutant(
        "counts of stages 3 and 4 exchanged",
        "arguments",
        "in stage 3 (maps of 8x8)",
        ("256, nblk_stage3, 2)", "256, nblk_stage4, 2)"),
        ("512, nblk_stage4, 2)", "512, nblk_stage3, 2)"),
    ),
    mutant(
        "all counts ignored", "block-counts", "stage 1, 2, 3 and 4", ("for _ in range(count - 1)", "for _ in range(1)")
    ),
    mutant("one count ignored", "block-counts", "stage 3", ("256, nblk_stage3, 2)", "256, 2, 2)")),
    mutant(
        "other counts raise",
        "block-counts",
        "IndexError",
        ("for _ in range(count - 1)", "for _ in [[0], [0, 0]][count - 1][1:]"),
    ),
    # shapes
    mutant(
        "stage 3 keeps the map",
        "stage-shapes",
        "256x16x16",
        ("256, nblk_stage3, 2)", "256, nblk_stage3, 1)"),
        (POOL, GLOBAL_POOL),
    ),
    mutant(
        "stage 1 halves the map",
        "stage-shapes",
        "64x16x16",
        ("64, nblk_stage1, 1)", "64, nblk_stage1, 2)"),
        (POOL, GLOBAL_POOL),
        ("self.same = cin == cout", "self.same = cin == cout and stride == 1"),
    ),
    mutant(
        "stage 4 has 256 channels",
        "stage-shapes",
        "256x4x4",
        ("self.stage(256, 512, nblk_stage4, 2)", "self.stage(256, 256, nblk_stage4, 2)"),
        ("nn.Linear(512, 10)", "nn.Linear(256, 10)"),
        ("self.same = cin == cout", "self.same = cin == cout and stride == 1"),
    ),
    # layers
    mutant(
        "kernels of 5",
        "layers",
        "conv 5x5",
        (
            "self.conv2 = nn.Conv2d(cout, cout, 3, stride=1, padding=1)",
            "self.conv2 = nn.Conv2d(cout, cout, 5, stride=1, padding=2)",
        ),
    ),
    mutant(
        "a second convolution of 1x1",
        "layers",
        "conv 1x1",
        (
            "self.conv2 = nn.Conv2d(cout, cout, 3, stride=1, padding=1)",
            "self.conv2 = nn.Conv2d(cout, cout, 1, stride=1)",
        ),
    ),
    mutant(
        "a stem of 7x7",
        "layers",
        "conv 7x7",
        (MADE_STEM, "        self.conv = nn.Conv2d(3, 64, 7, stride=1, padding=3)\n"),
    ),
    mutant(
        "stride in the second convolution",
        "layers",
        "stride 1",
        ("nn.Conv2d(cin, cout, 3, stride=stride, padding=1)", "nn.Conv2d(cin, cout, 3, stride=1, padding=1)"),
        ("nn.Conv2d(cout, cout, 3, stride=1, padding=1)", "nn.Conv2d(cout, cout, 3, stride=stride, padding=1)"),
    ),
    mutant("a max pool at the end", "layers", "max pool", (POOL, "        self.pool = nn.MaxPool2d(4, stride=4)\n")),
    mutant(
        "a pool of 2x2 and a wide linear layer",
        "layers",
        "average pool 2x2",
        (POOL, POOL.replace("4, stride=4", "2, stride=2")),
        ("nn.Linear(512, 10)", "nn.Linear(2048, 10)"),
    ),
    mutant(
        "a hidden linear layer",
        "layers",
        "linear",
        ("nn.Linear(512, 10)", "nn.Sequential(nn.Linear(512, 512), nn.Linear(512, 10))"),
    ),
    mutant("softmax before the loss", "layers", "softmax", (ANSWER, "        return F.softmax(self.fc(x), dim=1)\n")),
    mutant(
        "the stem run twice", "layers", "runs twice", (STEM, "        first = self.conv(x)\n        x = self.conv(x)\n")
    ),
    mutant("a block too few", "layers", "differences", ("range(count - 1)", "range(count - 2)")),
    mutant("a block too many", "layers", "differences", ("range(count - 1)", "range(count)")),
    # weights
    mutant(
        "one block for both places of stage 1",
        "own-weights",
        "11,101,834",
        (
            STAGE,
            SHARED_IN_STAGE_1,
        ),
    ),
    mutant(
        "conv and BN reused in a block",
        "own-weights",
        "8,002,570",
        (BLOCK_BODY, REUSED_CONV),
        (
            MADE_TWICE,
            MADE_ONCE,
        ),
    ),
    mutant(
        "both",
        "own-weights",
        "7,965,514",
        (
            STAGE,
            SHARED_IN_STAGE_1,
        ),
        (BLOCK_BODY, REUSED_CONV),
        (
            MADE_TWICE,
            MADE_ONCE,
        ),
    ),
    mutant("one conv and one BN a width", "own-weights", "4,865,354", *ONE_A_WIDTH),
    mutant(
        "one block called for each count",
        "own-weights",
        "(2 places)",
        (
            STAGE,
            CALLED_FOR_EACH_COUNT,
        ),
    ),
    mutant(
        "weights tied by hand",
        "own-weights",
        "(2 places)",
        (
            "        self.pool =",
            "        self.stage1[-1].conv1.weight = self.stage1[0].conv1.weight\n        self.pool =",
        ),
    ),
    # gradients
    mutant(
        "layers that are never called",
        "gradients",
        "never called",
        (MADE_STEM, MADE_STEM + "        self.spare = Block(64, 64, 1)\n"),
    ),
    mutant(
        "a skip convolution in every block, unused",
        "gradients",
        "never called",
        ("        if not self.same:\n" + MATCH, MATCH.replace("            ", "        ")),
    ),
    mutant(
        "a second BN fed with the block's input",
        "gradients",
        "nothing uses",
        ("        out = F.relu(self.bn2(out))\n", SECOND_NORM_OF_INPUT),
    ),
    mutant("the stem's result detached", "gradients", "cut off", (STEM, "        x = self.conv(x).detach()\n")),
    # pre-activation
    mutant("no second ReLU", "pre-activation", "bn2", ("F.relu(self.bn2(out))", "self.bn2(out)")),
    mutant("no first ReLU", "pre-activation", "bn1", ("F.relu(self.bn1(x))", "self.bn1(x)")),
    mutant(
        "ReLU after the addition", "pre-activation", "after an addition", (SUM, "        return F.relu(out + skip)\n")
    ),
    mutant("ReLU before BN", "pre-activation", "bn2", ("F.relu(self.bn2(out))", "self.bn2(F.relu(out))")),
    mutant(
        "convolution, BN, ReLU",
        "pre-activation",
        "conv",
        (
            "        a = F.relu(self.bn1(x))\n" + BLOCK_BODY,
            "        out = F.relu(self.bn2(self.conv1(x)))\n        out = self.conv2(out)\n",
        ),
        ("        self.bn1 = nn.BatchNorm2d(cin)\n", ""),
    ),
    mutant(
        "post-activation",
        "pre-activation",
        "conv",
        (
            "        a = F.relu(self.bn1(x))\n" + BLOCK_BODY,
            "        out = F.relu(self.bn1(self.conv1(x)))\n        out = self.bn2(self.conv2(out))\n",
        ),
        ("nn.BatchNorm2d(cin)", "nn.BatchNorm2d(cout)"),
        (SUM, "        return F.relu(out + skip)\n"),
    ),
    mutant(
        "another activation", "pre-activation", "leaky_relu", ("F.relu(self.bn2(out))", "F.leaky_relu(self.bn2(out))")
    ),
    mutant(
        "a ReLU in place on the block's input",
        "pre-activation",
        "ReLU",
        ("        a = F.relu(self.bn1(x))\n", "        x = F.relu(x, inplace=True)\n        a = F.relu(self.bn1(x))\n"),
    ),
    mutant(
        "a BN after the second convolution",
        "pre-activation",
        "between",
        ("        out = self.conv2(out)\n", "        out = self.bn3(self.conv2(out))\n"),
        (
            "        self.bn1 = nn.BatchNorm2d(cin)\n",
            "        self.bn1 = nn.BatchNorm2d(cin)\n        self.bn3 = nn.BatchNorm2d(cout)\n",
        ),
    ),
    # skips
    mutant(
        "no skip at all",
        "skip",
        "no skip goes around",
        (SKIP + SUM, "        return out\n"),
        ("        if not self.same:\n" + MATCH, ""),
    ),
    mutant(
        "no skip in some blocks",
        "skip",
        "no skip goes around",
        (SUM, "        return out if self.same else out + skip\n"),
    ),
    mutant("one skip over two blocks", "skip", "4 convolutions", *ONE_SKIP_OVER_TWO),
    mutant(
        "a skip around one convolution",
        "skip",
        "1 convolution (",
        (SKIP, ""),
        (
            BLOCK_BODY + SUM,
            SKIP_AROUND_ONE,
        ),
        ("        if not self.same:\n" + MATCH, ""),
    ),
    mutant(
        "a 3x3 convolution on the skip",
        "skip",
        "3x3",
        (MATCH, "            self.match = nn.Conv2d(cin, cout, 3, stride=stride, padding=1)\n"),
    ),
    mutant(
        "copies in place of zero channels",
        "skip",
        "other than zeros",
        (MATCH, "            self.match = lambda x: torch.cat([F.max_pool2d(x, 2)] * 2, 1)\n"),
    ),
    mutant(
        "pool and 1x1 convolution",
        "skip",
        "stride 1",
        (MATCH, "            self.match = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(cin, cout, 1))\n"),
    ),
    mutant(
        "a ReLU at the end of the skip",
        "skip",
        "ReLU",
        (SKIP, "        skip = x if self.same else F.relu(self.match(x))\n"),
    ),
    # identity
    mutant(
        "the skip after BN and ReLU where the shape stays",
        "identity",
        "ReLU",
        (SKIP, "        skip = a if self.same else self.match(a)\n"),
    ),
    mutant(
        "half the input", "identity", "mul", (SUM, "        return out + 0.5 * skip if self.same else out + skip\n")
    ),
    mutant(
        "a BN on every skip",
        "identity",
        "norm",
        (MATCH, MATCH + "        self.norm = nn.BatchNorm2d(cout)\n"),
        (SUM, "        return out + self.norm(skip)\n"),
    ),
    mutant(
        "a 1x1 convolution on every skip",
        "identity",
        "match",
        ("        if not self.same:\n" + MATCH, MATCH.replace("            ", "        ")),
        (SKIP, "        skip = self.match(x)\n"),
    ),
    # parameters
    mutant(
        "a BN after the stem",
        "parameters",
        "128 more",
        (MADE_STEM, MADE_STEM + "        self.bn = nn.BatchNorm2d(64)\n"),
        (STEM, "        x = self.bn(self.conv(x))\n"),
    ),
    mutant(
        "a scale in each block",
        "parameters",
        "8 more",
        (
            "        self.same = cin == cout\n",
            "        self.same = cin == cout\n        self.scale = nn.Parameter(torch.ones(1))\n",
        ),
        (SUM, "        return self.scale * out + skip\n"),
    ),
    mutant("BN without weights", "parameters", "fewer", ("nn.BatchNorm2d(cout)", "nn.BatchNorm2d(cout, affine=False)")),
    # questions
    mutant(
        "a device by name",
        "device",
        "a GPU asked for by name where there is none of its kind",
        ('torch.device("cuda:0" if torch.cuda.is_available() else "cpu")', 'torch.device("cuda:0")'),
    ),
    mutant("all images in a batch", "batch-size", "50,000", ("batch_size = 16", "batch_size = 50000")),
    mutant(
        "Apple's GPU by name",
        "device",
        "a GPU asked for by name where there is none of its kind",
        ('torch.device("cuda:0" if torch.cuda.is_available() else "cpu")', 'torch.device("mps")'),
    ),
    mutant("the network stays where it is", "model-on-device", "no device", (NET, "IdentityResNet(2, 2, 2, 2)")),
    mutant("no momentum", "optimizer", "momentum 0", (", momentum=0.9", "")),
    mutant("a momentum of 0.09", "optimizer", "momentum 0.09", ("momentum=0.9", "momentum=0.09")),
    mutant(
        "Adam",
        "optimizer",
        "Adam",
        ("optim.SGD(net.parameters(), lr=0.001, momentum=0.9)", "optim.Adam(net.parameters(), lr=0.001)"),
    ),
    mutant("a rate of 0", "optimizer", "rate of 0", ("lr=0.001", "lr=0.0")),
    mutant("a rate that is no number", "optimizer", "rate of nan", ("lr=0.001", 'lr=float("nan")')),
    mutant(
        "the linear layer's parameters only",
        "optimizer",
        "parameter tensors",
        ("optim.SGD(net.parameters()", "optim.SGD(net.fc.parameters()"),
    ),
    mutant(
        "another network's parameters",
        "optimizer",
        "parameter tensors",
        ("optim.SGD(net.parameters()", "optim.SGD(IdentityResNet(2, 2, 2, 2).parameters()"),
    ),
    mutant("gradients are never zeroed", "zero-grad", "still there", (ZERO, "")),
    mutant(
        "zeroed once an epoch",
        "zero-grad",
        "still there",
        (ZERO, ""),
        ("    net.train()\n", "    net.train()\n    optimizer.zero_grad()\n"),
    ),
    mutant("zeroed before the step", "zero-grad", "between", (ZERO, ""), (STEP, ZERO + STEP)),
    mutant(
        "no forward pass",
        "forward",
        "not put through",
        (FORWARD, "        outputs = torch.randn(len(images), 10, requires_grad=True)\n"),
    ),
    mutant(
        "one image of the batch",
        "forward",
        "1 of the",
        (FORWARD, "        outputs = net(images[:1]).expand(len(images), 10)\n"),
    ),
    mutant(
        "a loss of something else",
        "forward",
        "doesn't depend",
        (LOSS, "        loss = criterion(torch.randn(len(images), 10, requires_grad=True), labels)\n"),
    ),
    mutant(
        "no training loop",
        "forward",
        "without training",
        (RIGHT[RIGHT.index("for epoch in range(5)") : RIGHT.index("net.eval()")], ""),
    ),
    mutant("no backward pass", "backward", "no backward pass", (BACKWARD, "")),
    mutant("no step", "step", "no steps", (STEP, "")),
    mutant("the step before the backward pass", "step", "before its backward", (BACKWARD, ""), (STEP, STEP + BACKWARD)),
    mutant("two steps", "step", "2 steps", (STEP, STEP + STEP)),
    mutant(
        "a test with graphs",
        "no-grad",
        "gradients enabled",
        (TEST, TEST.replace("with torch.no_grad():", "if True:")),
    ),
    mutant("no test", "no-grad", "without putting a test image", (RIGHT[RIGHT.index("# Q9") :], "")),
    mutant("a test in train mode", "eval-mode", "train mode", ("net.eval()\n", "")),
    mutant("training in eval mode", "eval-mode", "in eval mode", ("    net.train()\n", "    net.eval()\n")),
]


@pytest.fixture(scope="module")
def results() -> Results:
    return results_of(HW6, MUTANTS, RIGHT)


@pytest.mark.parametrize("planted", MUTANTS, ids=lambda planted: planted.name)
def test_a_mistake_is_caught_by_its_own_check_alone(planted: Mutant, results: Results) -> None:
    assert_caught_alone(planted, results[planted.name], RIGHT)


def test_the_right_script_itself_passes_everything() -> None:
    found = checks.run(observe_all(HW6, {"right": RIGHT.encode()})["right"], HW6)
    assert [result.id for result in found if result.outcome != "passed"] == []
