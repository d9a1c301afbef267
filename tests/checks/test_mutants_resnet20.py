"""Every mistake that resnet20 is known for, planted alone in a right script: its own check alone finds it."""

from pathlib import Path

import pytest
from support.mutants import Mutant, assert_caught_alone, mutant, results_of
from support.rehearsals import Results

from autograder.homeworks import load

RESNET20 = load("resnet20")
RIGHT = (Path(__file__).parent.parent / "scripts" / "resnet20_right.py").read_text()

# the block
CONV1 = "        self.conv1 = nn.Conv2d(cin, cout, 3, stride=stride, padding=1, bias=False)\n"
BN1 = "        self.bn1 = nn.BatchNorm2d(cout)\n"
CONV2 = "        self.conv2 = nn.Conv2d(cout, cout, 3, stride=1, padding=1, bias=False)\n"
BN2 = "        self.bn2 = nn.BatchNorm2d(cout)\n"
CHANGES = "        self.changes = stride != 1 or cin != cout\n"
MATCH = "nn.Sequential(nn.Conv2d(cin, cout, 1, stride=stride, bias=False), nn.BatchNorm2d(cout))"
MADE_SHORTCUT = f"        if self.changes:\n            self.match = {MATCH}\n"
FIRST_HALF = "        out = F.relu(self.bn1(self.conv1(x)))\n"
SECOND_HALF = "        out = self.bn2(self.conv2(out))\n"
SHORTCUT = "        shortcut = self.match(x) if self.changes else x\n"
SUM = "        out = out + shortcut\n"
END = "        return F.relu(out)\n"
# the network
STEM = "        self.conv = nn.Conv2d(3, 16, 3, stride=1, padding=1, bias=False)\n"
STEM_BN = "        self.bn = nn.BatchNorm2d(16)\n"
POOL = "        self.pool = nn.AvgPool2d(8)\n"
GLOBAL_POOL = "        self.pool = nn.AdaptiveAvgPool2d(1)\n"
FC = "        self.fc = nn.Linear(64, num_classes)\n"
INIT = "        self.init_weights()\n"
MADE_BLOCKS = """        blocks = [BasicBlock(cin, cout, stride)]
        for _ in range(count - 1):
            blocks.append(BasicBlock(cout, cout, 1))
"""
KAIMING = '                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")\n'
STEM_RUN = "        x = F.relu(self.bn(self.conv(x)))\n"
LAYER1 = "        x = self.layer1(x)\n"
POOL_RUN = "        x = self.pool(x)\n"
FLAT = "        x = x.view(x.size(0), -1)\n"
ANSWER = "        return self.fc(x)\n"
# the script
AUGMENTED = "    transforms.RandomCrop(32, padding=4),\n    transforms.RandomHorizontalFlip(),\n"
NET = "net = ResNet20().to(device)\n"
SGD = "optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)"
ZERO = "        optimizer.zero_grad()\n"
FORWARD = "        outputs = net(images)\n"
BACKWARD = "        loss.backward()\n"
STEP = "        optimizer.step()\n"

SHARED_BLOCKS = "        blocks = [BasicBlock(cin, cout, stride)] + [BasicBlock(cout, cout, 1)] * (count - 1)\n"
SHARED_STAGE = """        if stride == 1:
            return nn.Sequential(*[BasicBlock(cin, cout, 1)] * count)
"""
# The convolution of the block's second half is needed only where the first one changes the shape.
MADE_IF_NEEDED = f"{CHANGES}        if self.changes:\n    {CONV2}"
REUSED_CONV = "        out = self.bn2((self.conv2 if self.changes else self.conv1)(out))\n"
PRE_ACTIVATION = """        out = self.conv1(F.relu(self.bn1(x)))
        out = self.conv2(F.relu(self.bn2(out)))
"""
AROUND_ONE = """        x = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(x))
        out = out + x
"""
AROUND_TWO = """        for layer in (self.layer1, self.layer2, self.layer3):
            x = layer[0](x)
            out = F.relu(layer[1].body(x))
            x = F.relu(layer[2].body(out) + x)
"""
FORWARD_WITH_BODY = """    def body(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        return self.bn2(self.conv2(out))

    def forward(self, x):
        out = self.body(x)
"""
STAGES_RUN = "        x = self.layer1(x)\n        x = self.layer2(x)\n        x = self.layer3(x)\n"
OPTION_A_POOLED = """        shortcut = x
        if self.changes:
            shortcut = F.avg_pool2d(x, 2)
            shortcut = torch.cat([shortcut, torch.zeros_like(shortcut)], dim=1)
"""
OPTION_A_SLICED = """        shortcut = x
        if self.changes:
            channels = x.size(1) // 2
            shortcut = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, channels, channels))
"""
ZERO_LAST = """        for m in self.modules():
            if isinstance(m, BasicBlock):
                nn.init.constant_(m.bn2.weight, 0)
"""
INIT_LOOP = "        for m in self.modules():\n"
NORM_BIAS = "                nn.init.constant_(m.bias, 0)\n"

MUTANTS = [
    # the file
    mutant("a blank at Q5", "blanks", "Q5 (line", (ZERO, "        ...\n")),
    mutant("a blank in the block", "blanks", "BasicBlock (line", (FIRST_HALF, "        out = ...\n")),
    mutant(
        "no argument for the classes",
        "builds",
        "TypeError",
        ("    def __init__(self, num_classes=10):\n", "    def __init__(self):\n"),
        (FC, "        self.fc = nn.Linear(64, 10)\n"),
    ),
    mutant(
        "a crash in the test",
        "runs",
        "NameError",
        ("    return total / len(testset), ", "    return totals / len(testset), "),
    ),
    # the answer
    mutant(
        "the block's input overwritten",
        "output-shape",
        "RuntimeError",
        (
            FIRST_HALF + SECOND_HALF,
            "        x = F.relu(self.bn1(self.conv1(x)))\n        out = self.bn2(self.conv2(x))\n",
        ),
    ),
    mutant("no padding in a block", "output-shape", "RuntimeError", (CONV2, CONV2.replace("padding=1", "padding=0"))),
    mutant("squeeze takes a batch of 1 away", "output-shape", "batch of 1 gives", (FLAT, "        x = x.squeeze()\n")),
    mutant("no pool, linear layer of 64", "output-shape", "RuntimeError", (POOL_RUN, ""), (POOL, "")),
    # shapes
    mutant(
        "no padding in the first convolution",
        "layers",
        "padding 0, map 30x30",
        (STEM, STEM.replace("padding=1", "padding=0")),
        (POOL, GLOBAL_POOL),
    ),
    mutant(
        "32 channels from the start",
        "stage-shapes",
        "32x32x32, 64x16x16, 128x8x8",
        (STEM, STEM.replace("3, 16", "3, 32")),
        (STEM_BN, STEM_BN.replace("16", "32")),
        ("self.make_layer(32, 64, 3, 2)", "self.make_layer(64, 128, 3, 2)"),
        ("self.make_layer(16, 32, 3, 2)", "self.make_layer(32, 64, 3, 2)"),
        ("self.make_layer(16, 16, 3, 1)", "self.make_layer(32, 32, 3, 1)"),
        (FC, FC.replace("64", "128")),
    ),
    mutant(
        "stage 3 keeps its channels",
        "stage-shapes",
        "32x8x8",
        ("self.make_layer(32, 64, 3, 2)", "self.make_layer(32, 32, 3, 2)"),
        (FC, FC.replace("64", "32")),
    ),
    mutant(
        "stage 2 keeps the map",
        "stage-shapes",
        "32x32x32",
        ("self.make_layer(16, 32, 3, 2)", "self.make_layer(16, 32, 3, 1)"),
        (POOL, GLOBAL_POOL),
    ),
    mutant(
        "stage 1 halves the map",
        "stage-shapes",
        "16x16x16",
        ("self.make_layer(16, 16, 3, 1)", "self.make_layer(16, 16, 3, 2)"),
        (POOL, GLOBAL_POOL),
    ),
    mutant(
        "a max pool after the first convolution",
        "stage-shapes",
        "16x16x16",
        (STEM_RUN, STEM_RUN + "        x = F.max_pool2d(x, 3, stride=2, padding=1)\n"),
        (POOL, GLOBAL_POOL),
    ),
    # layers
    mutant(
        "a max pool of stride 1 after the first convolution",
        "layers",
        "max pool 3x3",
        (STEM_RUN, STEM_RUN + "        x = F.max_pool2d(x, 3, stride=1, padding=1)\n"),
    ),
    mutant("two blocks a stage", "layers", "the first of 6 differences", ("range(count - 1)", "range(count - 2)")),
    mutant("four blocks a stage", "layers", "the first of 6 differences", ("range(count - 1)", "range(count)")),
    mutant(
        "stride in the second convolution",
        "layers",
        "stride 1",
        (CONV1, CONV1.replace("stride=stride", "stride=1")),
        (CONV2, CONV2.replace("stride=1", "stride=stride")),
    ),
    mutant(
        "kernels of 5",
        "layers",
        "conv 5x5",
        (CONV2, CONV2.replace("cout, 3", "cout, 5").replace("padding=1", "padding=2")),
    ),
    mutant("a max pool at the end", "layers", "max pool 8x8", (POOL, "        self.pool = nn.MaxPool2d(8)\n")),
    mutant(
        "no pool, linear layer of 4,096",
        "layers",
        "4096 to 10",
        (POOL_RUN, ""),
        (POOL, ""),
        (FC, FC.replace("64", "64 * 8 * 8")),
    ),
    mutant(
        "two linear layers",
        "layers",
        "linear, 64 to 64",
        (FC, "        self.fc = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, num_classes))\n"),
    ),
    mutant("softmax before the loss", "layers", "softmax", (ANSWER, "        return F.softmax(self.fc(x), dim=1)\n")),
    mutant("ReLU at the end", "layers", "relu after", (ANSWER, "        return F.relu(self.fc(x))\n")),
    # weights
    mutant("one block for two places of each stage", "own-weights", "175,258", (MADE_BLOCKS, SHARED_BLOCKS)),
    mutant(
        "one block for all places of stage 1",
        "own-weights",
        "(3 places)",
        (MADE_BLOCKS, SHARED_STAGE + MADE_BLOCKS),
    ),
    mutant(
        "one convolution called twice",
        "own-weights",
        "conv1",
        (CONV2, ""),
        (CHANGES, MADE_IF_NEEDED),
        (SECOND_HALF, REUSED_CONV),
    ),
    mutant(
        "one BN called twice", "own-weights", "271,802", (BN2, ""), (SECOND_HALF, SECOND_HALF.replace("bn2", "bn1"))
    ),
    # gradients
    mutant(
        "a shortcut convolution in every block, unused where the shape stays",
        "gradients",
        "never called",
        (MADE_SHORTCUT, f"        self.match = {MATCH}\n"),
    ),
    mutant(
        "layers that are never called",
        "gradients",
        "never called",
        (POOL, POOL + "        self.spare = BasicBlock(64, 64, 1)\n"),
    ),
    mutant(
        "a BN whose result is thrown away",
        "gradients",
        "nothing uses the result",
        (FIRST_HALF, "        out = self.conv1(x)\n        self.bn1(out)\n        out = F.relu(out)\n"),
    ),
    mutant("a stage's result detached", "gradients", "cut off", (LAYER1, "        x = self.layer1(x).detach()\n")),
    mutant(
        "the shortcut detached", "gradients", "cut off", (SHORTCUT, SHORTCUT.replace("match(x)", "match(x).detach()"))
    ),
    # post-activation
    mutant(
        "no BN after a block's first convolution",
        "post-activation",
        "conv1` is followed by a ReLU",
        (BN1, ""),
        (FIRST_HALF, "        out = F.relu(self.conv1(x))\n"),
    ),
    mutant(
        "no BN after a block's second convolution",
        "post-activation",
        "conv2` is followed by an addition",
        (BN2, ""),
        (SECOND_HALF, "        out = self.conv2(out)\n"),
    ),
    mutant(
        "no BN after the first convolution",
        "post-activation",
        "`conv` is followed by a ReLU",
        (STEM_BN, ""),
        (STEM_RUN, "        x = F.relu(self.conv(x))\n"),
    ),
    mutant(
        "no ReLU in a block",
        "post-activation",
        "bn1` is followed by `layer1.0.conv2`",
        (FIRST_HALF, "        out = self.bn1(self.conv1(x))\n"),
    ),
    mutant("no ReLU after the addition", "post-activation", "an addition", (END, "        return out\n")),
    mutant(
        "no ReLU after the first BN",
        "post-activation",
        "`bn` is followed by",
        (STEM_RUN, "        x = self.bn(self.conv(x))\n"),
    ),
    mutant(
        "ReLU before the addition, none after it",
        "post-activation",
        "bn2` is followed by a ReLU",
        (SECOND_HALF, "        out = F.relu(self.bn2(self.conv2(out)))\n"),
        (END, "        return out\n"),
    ),
    mutant(
        "ReLU before the addition and after it",
        "post-activation",
        "bn2` is followed by a ReLU",
        (SECOND_HALF, "        out = F.relu(self.bn2(self.conv2(out)))\n"),
    ),
    mutant(
        "ReLU before BN",
        "post-activation",
        "conv1` is followed by a ReLU",
        (FIRST_HALF, "        out = self.bn1(F.relu(self.conv1(x)))\n"),
    ),
    mutant(
        "another activation", "post-activation", "leaky_relu", (FIRST_HALF, FIRST_HALF.replace("relu", "leaky_relu"))
    ),
    mutant(
        "pre-activation blocks",
        "post-activation",
        "conv2` is followed by an addition",
        (BN1, BN1.replace("cout", "cin")),
        (FIRST_HALF + SECOND_HALF, PRE_ACTIVATION),
        (END, "        return out\n"),
    ),
    # shortcuts
    mutant(
        "a 1x1 convolution in every shortcut",
        "skip",
        "the shape stays 16x32x32",
        (MADE_SHORTCUT, f"        self.match = {MATCH}\n"),
        (SHORTCUT, "        shortcut = self.match(x)\n"),
    ),
    mutant(
        "no BN in the shortcut",
        "skip",
        "no BN",
        (MATCH, "nn.Conv2d(cin, cout, 1, stride=stride, bias=False)"),
    ),
    mutant(
        "a 3x3 convolution in the shortcut",
        "skip",
        "(3x3)",
        (MATCH, MATCH.replace("1, stride=stride", "3, stride=stride, padding=1")),
    ),
    mutant("a ReLU in the shortcut", "skip", "a ReLU", (MATCH, MATCH[:-1] + ", nn.ReLU())")),
    mutant(
        "a pool, then a 1x1 convolution in the shortcut",
        "skip",
        "stride 1, and something else",
        (MATCH, "nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(cin, cout, 1, bias=False), nn.BatchNorm2d(cout))"),
    ),
    mutant("option A, pooled", "skip", "avgpool", (SHORTCUT, OPTION_A_POOLED), (MADE_SHORTCUT, "")),
    mutant("option A, every second pixel", "skip", "pad", (SHORTCUT, OPTION_A_SLICED), (MADE_SHORTCUT, "")),
    mutant("no shortcut in any block", "skip", "no shortcut goes around", (SHORTCUT + SUM, ""), (MADE_SHORTCUT, "")),
    mutant(
        "shortcuts only where the shape changes",
        "skip",
        "`layer1.1.conv2` and 10 more",
        (SUM, "        out = out + shortcut if self.changes else out\n"),
    ),
    mutant(
        "no addition in one block",
        "skip",
        "layer2.1.conv1` and `layer2.1.conv2",
        (SUM, "        out = out + shortcut if self.adds else out\n"),
        (CHANGES, CHANGES + "        self.adds = True\n"),
        (INIT, INIT + "        self.layer2[1].adds = False\n"),
    ),
    mutant(
        "a shortcut around two blocks",
        "skip",
        "4 convolutions",
        (f"    def forward(self, x):\n{FIRST_HALF}{SECOND_HALF}", FORWARD_WITH_BODY),
        (STAGES_RUN, AROUND_TWO),
    ),
    mutant(
        "a shortcut around one convolution",
        "skip",
        "around 1 convolution (",
        (FIRST_HALF + SECOND_HALF + SHORTCUT + SUM, AROUND_ONE),
        (MADE_SHORTCUT, ""),
    ),
    mutant(
        "the block's sum with itself",
        "skip",
        "no shortcut goes around `layer1.0.conv1`",
        (FIRST_HALF + SECOND_HALF + SHORTCUT + SUM, AROUND_ONE.replace("out + x", "out + out")),
        (MADE_SHORTCUT, ""),
    ),
    # parameters
    mutant(
        "biases in all convolutions",
        "parameters",
        "784 more; not among",
        *((line, line.replace(", bias=False", "")) for line in (STEM, CONV1, CONV2, MATCH)),
    ),
    mutant(
        "biases in the first convolution", "parameters", "16 more; not among", (STEM, STEM.replace("False", "True"))
    ),
    mutant(
        "biases in the shortcuts",
        "parameters",
        "96 more; not among",
        (MATCH, MATCH.replace(", bias=False", "")),
    ),
    mutant(
        "a linear layer without bias", "parameters", "10 fewer; no bias in `fc`", (FC, FC.replace(")", ", bias=False)"))
    ),
    mutant(
        "BN without weights",
        "parameters",
        "672 fewer",
        (BN2, BN2.replace("cout", "cout, affine=False")),
        ("isinstance(m, nn.BatchNorm2d):", "isinstance(m, nn.BatchNorm2d) and m.affine:"),
    ),
    mutant(
        "a scale in each block",
        "parameters",
        "9 more; not among",
        (CHANGES, CHANGES + "        self.scale = nn.Parameter(torch.ones(1))\n"),
        (END, "        return F.relu(out) * self.scale\n"),
    ),
    # initial weights
    mutant("initial weights as PyTorch makes them", "initial-weights", "as PyTorch makes them", (INIT, "")),
    mutant(
        "initialised before there are layers",
        "initial-weights",
        "as PyTorch makes them",
        (INIT, ""),
        (STEM, INIT + STEM),
    ),
    mutant("fan_in", "initial-weights", "that of fan_in = 27", ('mode="fan_out"', 'mode="fan_in"')),
    mutant("Kaiming uniform", "initial-weights", "as uniform ones do", ("kaiming_normal_", "kaiming_uniform_")),
    mutant(
        "Xavier normal",
        "initial-weights",
        "standard deviation",
        (KAIMING, "                nn.init.xavier_normal_(m.weight)\n"),
    ),
    mutant(
        "only the network's own children",
        "initial-weights",
        "the first of 20",
        (INIT_LOOP, "        for m in self.children():\n"),
    ),
    mutant(
        "a standard deviation of 0.01",
        "initial-weights",
        "standard deviation 0.01",
        (KAIMING, "                nn.init.normal_(m.weight, 0, 0.01)\n"),
    ),
    mutant(
        "a mean of 0.1",
        "initial-weights",
        "around 0.",
        (KAIMING, KAIMING + "                m.weight.data += 0.1\n"),
    ),
    mutant(
        "constant weights",
        "initial-weights",
        "all 0.01",
        (KAIMING, "                nn.init.constant_(m.weight, 0.01)\n"),
    ),
    mutant(
        "weights that are no numbers",
        "initial-weights",
        "no finite numbers",
        (KAIMING, "                m.weight.data /= 0 * m.weight.data\n"),
    ),
    # initial norms
    mutant(
        "the last BN of a block starts at 0", "initial-norms", "weight of `layer1.0.bn2`: 0", (INIT, INIT + ZERO_LAST)
    ),
    mutant("BN biases of 0.1", "initial-norms", "bias of `bn`: 0.1", (NORM_BIAS, NORM_BIAS.replace("0)", "0.1)"))),
    # other numbers of classes
    mutant(
        "the number of classes ignored",
        "class-count",
        "ResNet20(100) has 272,474",
        (FC, FC.replace("num_classes", "10")),
    ),
    mutant(
        "other numbers of classes raise",
        "class-count",
        "AssertionError",
        (FC, "        assert num_classes == 10\n" + FC),
    ),
    # questions
    mutant(
        "a device by name",
        "device",
        "a GPU asked for by name where there is none of its kind",
        ('torch.device("cuda:0" if torch.cuda.is_available() else "cpu")', 'torch.device("cuda:0")'),
    ),
    # Without augmentation: the rehearsal makes the whole batch before it cuts it.
    mutant("all images in a batch", "batch-size", "50,000", ("batch_size = 64", "batch_size = 50000"), (AUGMENTED, "")),
    mutant("the network stays where it is", "model-on-device", "no device", (NET, "net = ResNet20()\n")),
    mutant("Adam", "optimizer", "Adam", (SGD, "optim.Adam(net.parameters(), lr=0.001)")),
    mutant("no momentum", "optimizer", "momentum 0", (SGD, SGD.replace(" momentum=0.9,", ""))),
    mutant("gradients are never zeroed", "zero-grad", "still there", (ZERO, "")),
    mutant(
        "one image of the batch",
        "forward",
        "1 of the",
        (FORWARD, "        outputs = net(images[:1]).expand(len(images), 10)\n"),
    ),
    mutant("no backward pass", "backward", "no backward pass", (BACKWARD, "")),
    mutant("no step", "step", "no steps", (STEP, "")),
    mutant("a test with graphs", "no-grad", "gradients enabled", ("    with torch.no_grad():\n", "    if True:\n")),
    mutant("a test in train mode", "eval-mode", "train mode", ("    net.eval()\n", "")),
    mutant("eval mode from the first test on", "eval-mode", "in eval mode", ("    net.train()\n", "")),
]


@pytest.fixture(scope="module")
def results() -> Results:
    return results_of(RESNET20, MUTANTS, RIGHT)


@pytest.mark.parametrize("planted", MUTANTS, ids=lambda planted: planted.name)
def test_a_mistake_is_caught_by_its_own_check_alone(planted: Mutant, results: Results) -> None:
    assert_caught_alone(planted, results[planted.name], RIGHT)
