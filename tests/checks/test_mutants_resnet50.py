"""Every mistake that resnet50 is known for, planted alone in a right script: its own check alone finds it."""

from pathlib import Path

import pytest
from support.mutants import Mutant, assert_caught_alone, mutant, results_of
from support.rehearsals import Results

from autograder.homeworks import load

RESNET50 = load("resnet50")
RIGHT = (Path(__file__).parent.parent / "scripts" / "resnet50_right.py").read_text()

# the convolutions
CONV1X1 = (
    "    conv = nn.Conv2d(cin, cout, 1, stride)\n    return nn.Sequential(conv, nn.BatchNorm2d(cout), nn.ReLU())\n"
)
CONV3X3 = """    conv = nn.Conv2d(cin, cout, 3, stride, padding=1)
    return nn.Sequential(conv, nn.BatchNorm2d(cout), nn.ReLU())
"""
# the block
STRIDE = "        stride = 2 if downsample else 1\n"
REDUCE = "        reduce = conv1x1(cin, mid, stride)\n"
SPATIAL = "        spatial = conv3x3(mid, mid, 1)\n"
EXPAND = "        expand = conv1x1(mid, cout, 1)\n"
LAYER = "        self.layer = nn.Sequential(reduce, spatial, expand)\n"
DOWNSIZE = "            self.downsize = conv1x1(cin, cout, 2)\n"
EQUAL = "            self.make_equal_channel = conv1x1(cin, cout, 1)\n"
MADE_SHORTCUT = f"        if downsample:\n{DOWNSIZE}        else:\n{EQUAL}"
BRANCH_RUN = "        out = self.layer(x)\n"
DOWNSIZE_RUN = "            shortcut = self.downsize(x)\n"
EQUAL_RUN = "            shortcut = self.make_equal_channel(x)\n"
SHORTCUT_RUN = f"        if self.downsample:\n{DOWNSIZE_RUN}        else:\n{EQUAL_RUN}"
SUM = "        return out + shortcut\n"
# the network
STEM = "        conv = nn.Conv2d(3, 64, 7, stride=2, padding=3)\n"
STEM_POOL = "        pool = nn.MaxPool2d(3, stride=2, padding=1)\n"
LAYER1 = "        self.layer1 = nn.Sequential(conv, nn.BatchNorm2d(64), nn.ReLU(), pool)\n"
LAYER2 = "        self.layer2 = self.stage(64, 64, 256, 3, True)\n"
LAYER3 = "        self.layer3 = self.stage(256, 128, 512, 4, True)\n"
LAYER4 = "        self.layer4 = self.stage(512, 256, 1024, 6, False)\n"
POOL = "        self.avgpool = nn.AvgPool2d(2)\n"
GLOBAL_POOL = "        self.avgpool = nn.AdaptiveAvgPool2d(1)\n"
FC = "        self.fc = nn.Linear(1024, num_classes)\n"
LAST = "            last = number == count - 1\n"
BLOCK = "            blocks.append(ResidualBlock(cin, mid, cout, halves and last))\n"
MADE_BLOCKS = f"""        blocks = []
        for number in range(count):
{LAST}{BLOCK}            cin = cout
"""
LAYER1_RUN = "        x = self.layer1(x)\n"
LAYER2_RUN = "        x = self.layer2(x)\n"
LAYER3_RUN = "        x = self.layer3(x)\n"
LAYER4_RUN = "        x = self.layer4(x)\n"
POOL_RUN = "        x = self.avgpool(x)\n"
FLAT = "        x = x.view(x.size(0), -1)\n"
ANSWER = "        return self.fc(x)\n"

SHARED_BLOCKS = """        if not halves:
            return nn.Sequential(ResidualBlock(cin, mid, cout), *[ResidualBlock(cout, mid, cout)] * (count - 1))
"""
WITHIN = f"""        x = self.layer[0](x)
        out = self.layer[2](self.layer[1](x))
{SHORTCUT_RUN}"""
MADE_WITHIN = """        if downsample:
            self.downsize = conv1x1(mid, cout, 1)
        else:
            self.make_equal_channel = conv1x1(mid, cout, 1)
"""
POOLED = """        if downsample:
            self.downsize = nn.MaxPool2d(2)
        else:
            self.make_equal_channel = conv1x1(cin, cout, 1)
"""
BOTH_MADE = """        self.downsize = conv1x1(cin, cout, 2)
        self.make_equal_channel = conv1x1(cin, cout, 1)
"""
NORM_FIRST = """    conv = nn.Conv2d(cin, cout, 3, stride, padding=1)
    return nn.Sequential(nn.BatchNorm2d(cin), nn.ReLU(), conv)
"""
REVERSED_RUN = """        x = self.layer4[0](x)
        for block in self.layer4[:0:-1]:
            x = block(x)
"""
MIDDLE_EXCHANGED = """        x = self.layer3[2](self.layer3[0](x))
        x = self.layer3[3](self.layer3[1](x))
"""
OVERWRITTEN_WHERE_BARE = """        if self.downsample:
            return self.layer(x) + self.downsize(x)
        if self.make_equal_channel is not None:
            return self.layer(x) + self.make_equal_channel(x)
        x = self.layer(x)
        return x + x
"""
AROUND_TWO = """        x = self.layer4[0](x)
        x = x + self.layer4[2].layer(self.layer4[1].layer(x))
        x = self.layer4[5](self.layer4[4](self.layer4[3](x)))
"""


def without(lines: str, part: str) -> tuple[str, str]:
    return lines, lines.replace(part, "")


MUTANTS = [
    # the file
    mutant("a blank in the block", "blanks", "(line", (LAYER, "        self.layer = ...\n")),
    mutant(
        "no default for the classes",
        "builds",
        "TypeError",
        ("    def __init__(self, num_classes=10):\n", "    def __init__(self, num_classes):\n"),
    ),
    mutant("a name that isn't there", "builds", "NameError", (EXPAND, EXPAND.replace("conv1x1", "conv1_1"))),
    mutant("another name for the network", "runs", "ImportError", ("class ResNet50_layer4(", "class ResNet50(")),
    mutant("a crash below the network", "runs", "NameError", (ANSWER, ANSWER + "\n\nprint(net)\n")),
    # the answer
    mutant("the block's input channels forgotten", "output-shape", "RuntimeError", ("            cin = cout\n", "")),
    mutant("no projection", "output-shape", "RuntimeError", (EQUAL_RUN, "            shortcut = x\n")),
    mutant(
        "strides of the two variants exchanged",
        "output-shape",
        "Output size is too small",
        (STRIDE, "        stride = 1 if downsample else 2\n"),
        (DOWNSIZE, DOWNSIZE.replace("2)", "1)")),
        (EQUAL, EQUAL.replace("1)", "2)")),
    ),
    mutant(
        "no padding in the block", "output-shape", "RuntimeError", (CONV3X3, CONV3X3.replace("padding=1", "padding=0"))
    ),
    mutant("squeeze takes a batch of 1 away", "output-shape", "batch of 1", (FLAT, "        x = x.squeeze()\n")),
    mutant(
        "only layer 1 so far",
        "stage-shapes",
        "64x16x16",
        (LAYER2 + LAYER3 + LAYER4, ""),
        (LAYER2_RUN + LAYER3_RUN + LAYER4_RUN, ""),
        (POOL, GLOBAL_POOL),
        (FC, FC.replace("1024", "64")),
    ),
    mutant("a thousand classes", "output-shape", "(1, 1000)", ("num_classes=10", "num_classes=1000")),
    mutant(
        "the block's input overwritten",
        "output-shape",
        "RuntimeError",
        (BRANCH_RUN, "        x = self.layer(x)\n        out = x\n"),
    ),
    # shapes
    mutant(
        "strides of the two variants exchanged, a global pool",
        "stage-shapes",
        "256x4x4",
        (STRIDE, "        stride = 1 if downsample else 2\n"),
        (DOWNSIZE, DOWNSIZE.replace("2)", "1)")),
        (EQUAL, EQUAL.replace("1)", "2)")),
        (POOL, GLOBAL_POOL),
    ),
    mutant(
        "the first block of a stage downsamples", "stage-shapes", "256x4x4", (LAST, "            last = number == 0\n")
    ),
    mutant(
        "stage 4 downsamples",
        "stage-shapes",
        "1024x1x1",
        (LAYER4, LAYER4.replace("False", "True")),
        (POOL, GLOBAL_POOL),
    ),
    mutant(
        "padding 4, then none in the pool",
        "layers",
        "padding 4, map 17x17",
        (STEM, STEM.replace("padding=3", "padding=4")),
        (STEM_POOL, STEM_POOL.replace("padding=1", "padding=0")),
    ),
    mutant(
        "padding 5, then none in the pool",
        "layers",
        "padding 5, map 18x18",
        (STEM, STEM.replace("padding=3", "padding=5")),
        (STEM_POOL, STEM_POOL.replace("padding=1", "padding=0")),
    ),
    mutant(
        "no padding in layer 1",
        "layers",
        "padding 0, map 13x13",
        (STEM, STEM.replace("padding=3", "padding=0")),
        (STEM_POOL, STEM_POOL.replace("padding=1", "padding=0")),
    ),
    mutant(
        "no padding in the pool",
        "stage-shapes",
        "256x7x7",
        (STEM_POOL, STEM_POOL.replace("padding=1", "padding=0")),
    ),
    mutant(
        "no pool in layer 1",
        "stage-shapes",
        "256x16x16",
        (LAYER1, LAYER1.replace(", pool)", ")")),
        (STEM_POOL, ""),
        (POOL, GLOBAL_POOL),
    ),
    mutant(
        "layer 3 and layer 4 not written yet",
        "stage-shapes",
        "64x16x16, 256x8x8, 256x4x4",
        (LAYER3 + LAYER4, ""),
        (LAYER3_RUN + LAYER4_RUN, ""),
        (POOL, GLOBAL_POOL),
        (FC, FC.replace("1024", "256")),
    ),
    # layers
    mutant("3, 4 and 5 blocks", "layers", "no such layer", (LAYER4, LAYER4.replace(" 6,", " 5,"))),
    mutant(
        "another width in the middle",
        "layers",
        "conv 1x1, 64 to 128",
        (LAYER2, LAYER2.replace("64, 64, 256", "64, 128, 256")),
    ),
    mutant(
        "a first convolution of 3x3",
        "layers",
        "conv 3x3, 3 to 64",
        (STEM, STEM.replace("7,", "3,").replace("padding=3", "padding=1")),
    ),
    mutant("a max pool of 2x2 in layer 1", "layers", "max pool 2x2", (STEM_POOL, "        pool = nn.MaxPool2d(2)\n")),
    mutant(
        "kernels of 5 in the middle",
        "layers",
        "conv 5x5",
        (CONV3X3, CONV3X3.replace("3, stride, padding=1", "5, stride, padding=2")),
    ),
    mutant(
        "dilated convolutions", "layers", "padding 2", (CONV3X3, CONV3X3.replace("padding=1", "padding=2, dilation=2"))
    ),
    mutant("a max pool at the end", "layers", "max pool 2x2", (POOL, "        self.avgpool = nn.MaxPool2d(2)\n")),
    mutant(
        "no pool, linear layer of 4,096",
        "layers",
        "4096 to 10",
        (POOL_RUN, ""),
        (POOL, ""),
        (FC, FC.replace("1024", "4096")),
    ),
    mutant("softmax at the end", "layers", "softmax", (ANSWER, "        return self.fc(x).softmax(dim=1)\n")),
    mutant("the branch run twice", "layers", "runs twice", (BRANCH_RUN, "        self.layer(x)\n" + BRANCH_RUN)),
    # weights
    mutant(
        "one block for five places of layer 4", "own-weights", "6,069,258", (MADE_BLOCKS, SHARED_BLOCKS + MADE_BLOCKS)
    ),
    mutant(
        "one convolution for the branch's end and the shortcut",
        "own-weights",
        "`layer2.0.layer.2.0`",
        (EQUAL, EQUAL.replace("conv1x1(cin, cout, 1)", "self.layer[2] if cin == mid else conv1x1(cin, cout, 1)")),
    ),
    # gradients
    mutant("both shortcuts made in every block", "gradients", "never called", (MADE_SHORTCUT, BOTH_MADE)),
    mutant("the shortcut made and not used", "gradients", "never called", (SHORTCUT_RUN + SUM, "        return out\n")),
    mutant("the shortcut run and not added", "gradients", "nothing uses the result", (SUM, "        return out\n")),
    mutant(
        "the sum in place of what a ReLU gave",
        "gradients",
        "inplace",
        (SUM, "        out += shortcut\n        return out\n"),
    ),
    mutant("the branch detached", "gradients", "cut off", (SUM, "        return out.detach() + shortcut\n")),
    # conv-norm-relu
    mutant("no ReLU in conv3x3", "conv-norm-relu", "`layer2.0.layer.2.0`", without(CONV3X3, ", nn.ReLU()")),
    mutant("no BN in conv1x1", "conv-norm-relu", "followed by a ReLU", without(CONV1X1, ", nn.BatchNorm2d(cout)")),
    mutant(
        "the pool before the ReLU in layer 1",
        "conv-norm-relu",
        "maxpool",
        (LAYER1, LAYER1.replace("nn.ReLU(), pool", "pool, nn.ReLU()")),
    ),
    mutant("BN before the convolution", "conv-norm-relu", "followed by", (CONV3X3, NORM_FIRST)),
    mutant(
        "no ReLU at the end of the branch, as in the paper",
        "conv-norm-relu",
        "followed by an addition",
        (EXPAND, EXPAND.replace("conv1x1(mid, cout, 1)", "conv1x1(mid, cout, 1)[:2]")),
    ),
    mutant("ReLU6", "conv-norm-relu", "hardtanh", (CONV1X1, CONV1X1.replace("ReLU", "ReLU6"))),
    # downsampling
    mutant(
        "stride in the 3x3 convolution",
        "downsampling",
        "`layer2.2.layer.1.0`",
        (REDUCE, REDUCE.replace("stride", "1")),
        (SPATIAL, SPATIAL.replace("1)", "stride)")),
    ),
    mutant(
        "stride in the last 1x1 convolution",
        "downsampling",
        "`layer2.2.layer.2.0`",
        (REDUCE, REDUCE.replace("stride", "1")),
        (EXPAND, EXPAND.replace("1)", "stride)")),
    ),
    mutant(
        "the second of three blocks downsamples", "downsampling", "number 2", (LAST, "            last = number == 1\n")
    ),
    # skip
    mutant(
        "no shortcut at all",
        "skip",
        "no shortcut goes around",
        (MADE_SHORTCUT, ""),
        (SHORTCUT_RUN + SUM, "        return out\n"),
    ),
    mutant(
        "no shortcut in the blocks that downsample",
        "skip",
        "no shortcut goes around",
        (DOWNSIZE, "            pass\n"),
        (DOWNSIZE_RUN, "            return out\n"),
    ),
    mutant("a 3x3 convolution to downsize", "skip", "a 3x3 convolution", (DOWNSIZE, DOWNSIZE.replace("1x1", "3x3"))),
    mutant("downsized by a max pool", "skip", "maxpool", (MADE_SHORTCUT, POOLED)),
    mutant(
        "a shortcut from within the block",
        "skip",
        "within the block",
        (MADE_SHORTCUT, MADE_WITHIN),
        (BRANCH_RUN + SHORTCUT_RUN, WITHIN),
    ),
    mutant(
        "two convolutions on the shortcut",
        "skip",
        "convolution",
        (
            DOWNSIZE,
            DOWNSIZE.replace("conv1x1(cin, cout, 2)", "nn.Sequential(conv1x1(cin, cout, 2), conv1x1(cout, cout, 1))"),
        ),
    ),
    mutant(
        "a shortcut around two blocks",
        "skip",
        "around 2 blocks",
        (EQUAL, "            self.make_equal_channel = conv1x1(cin, cout, 1) if cin != cout else nn.Identity()\n"),
        (LAYER4_RUN, AROUND_TWO),
    ),
    mutant(
        "the block's input overwritten where the shortcut is bare",
        "skip",
        "no shortcut goes around `layer2.1.layer.1.0`",
        (EQUAL, "            self.make_equal_channel = conv1x1(cin, cout, 1) if cin != cout else None\n"),
        (BRANCH_RUN + SHORTCUT_RUN + SUM, OVERWRITTEN_WHERE_BARE),
    ),
    # parameters
    mutant(
        "no biases",
        "parameters",
        "14,728,266 parameters, 22,464 fewer",
        (CONV1X1, CONV1X1.replace("stride)", "stride, bias=False)")),
        (CONV3X3, CONV3X3.replace("padding=1", "padding=1, bias=False")),
        (STEM, STEM.replace("padding=3", "padding=3, bias=False")),
    ),
    mutant(
        "BN without weights",
        "parameters",
        "fewer",
        (CONV3X3, CONV3X3.replace("BatchNorm2d(cout)", "BatchNorm2d(cout, affine=False)")),
    ),
    mutant(
        "BN after the addition",
        "parameters",
        "`layer2.0.norm` (BN, 512)",
        (LAYER, LAYER + "        self.norm = nn.BatchNorm2d(cout)\n"),
        (SUM, "        return self.norm(out + shortcut)\n"),
    ),
    mutant(
        "a scale on the answer",
        "parameters",
        "1 more; not among",
        (FC, FC + "        self.scale = nn.Parameter(self.fc.weight.new_ones(1))\n"),
        (ANSWER, "        return self.fc(x * self.scale)\n"),
    ),
    # the state dict
    mutant(
        "the shortcut under another name",
        "state-dict",
        "layer2.2.shortcut.0.weight",
        (DOWNSIZE, DOWNSIZE.replace("downsize", "shortcut")),
        (DOWNSIZE_RUN, DOWNSIZE_RUN.replace("downsize", "shortcut")),
    ),
    mutant(
        "one name for both shortcuts",
        "state-dict",
        "layer2.2.downsize.0.weight",
        (DOWNSIZE, DOWNSIZE.replace("downsize", "make_equal_channel")),
        (SHORTCUT_RUN, "        shortcut = self.make_equal_channel(x)\n"),
    ),
    mutant(
        "the linear layer under another name",
        "state-dict",
        "linear.weight",
        (FC, FC.replace("self.fc", "self.linear")),
        (ANSWER, ANSWER.replace("self.fc", "self.linear")),
    ),
    mutant(
        "the layers of a block one by one",
        "state-dict",
        "layer2.0.reduce.0.weight",
        (LAYER, "        self.reduce, self.spatial, self.expand = reduce, spatial, expand\n"),
        (BRANCH_RUN, "        out = self.expand(self.spatial(self.reduce(x)))\n"),
    ),
    mutant(
        "layer 1 not in one Sequential",
        "state-dict",
        "conv1.weight",
        (LAYER1, "        self.conv1, self.bn1, self.pool1 = conv, nn.BatchNorm2d(64), pool\n"),
        (LAYER1_RUN, "        x = self.pool1(self.bn1(self.conv1(x)).relu())\n"),
    ),
    mutant(
        "a module too many around a layer",
        "state-dict",
        "layer2.0.0.layer",
        (LAYER2, LAYER2.replace("True)", "True)\n        self.layer2 = nn.Sequential(self.layer2)")),
    ),
    mutant(
        "no running statistics",
        "state-dict",
        "running_mean",
        (CONV1X1, CONV1X1.replace("BatchNorm2d(cout)", "BatchNorm2d(cout, track_running_stats=False)")),
    ),
    mutant(
        "spectral norm on the linear layer",
        "state-dict",
        "fc.",
        (
            FC,
            FC.replace(
                "nn.Linear(1024, num_classes)", "nn.utils.parametrizations.spectral_norm(nn.Linear(1024, num_classes))"
            ),
        ),
    ),
    mutant(
        "a further buffer",
        "state-dict",
        "`mean`",
        (FC, FC + '        self.register_buffer("mean", self.fc.weight.new_zeros(3, 1, 1))\n'),
        (LAYER1_RUN, "        x = self.layer1(x - self.mean)\n"),
    ),
    mutant(
        "conv and BN at other places of the Sequential",
        "state-dict",
        "layer2.0.layer.1.2.weight",
        (CONV3X3, CONV3X3.replace("conv, nn", "conv, nn.Identity(), nn")),
    ),
    # answers
    mutant("the blocks of layer 4 in another order", "answers", "differ by up to", (LAYER4_RUN, REVERSED_RUN)),
    mutant("two blocks of layer 3 exchanged", "answers", "differ by up to", (LAYER3_RUN, MIDDLE_EXCHANGED)),
    mutant(
        "another eps in BN",
        "answers",
        "differ by up to",
        (CONV3X3, CONV3X3.replace("BatchNorm2d(cout)", "BatchNorm2d(cout, eps=1e-3)")),
    ),
    mutant(
        "dropout that never stops",
        "answers",
        "differ by up to",
        (ANSWER, "        return self.fc(nn.functional.dropout(x, 0.5))\n"),
    ),
    mutant(
        "sums in the place of means", "answers", "differ by up to", (POOL, POOL.replace("2)", "2, divisor_override=1)"))
    ),
    mutant(
        "pictures scaled once more", "answers", "differ by up to", (LAYER1_RUN, "        x = self.layer1(x / 255)\n")
    ),
    mutant("a ReLU on the pictures", "answers", "differ by up to", (LAYER1_RUN, "        x = self.layer1(x.relu())\n")),
    mutant(
        "BN always in train mode", "answers", "differ by up to", (LAYER1_RUN, "        self.train()\n" + LAYER1_RUN)
    ),
    mutant("the mean of both paths", "answers", "differ by up to", (SUM, "        return (out + shortcut) / 2\n")),
    mutant("pictures upside down", "answers", "differ by up to", (LAYER1_RUN, "        x = self.layer1(x.flip(2))\n")),
]


@pytest.fixture(scope="module")
def results() -> Results:
    return results_of(RESNET50, MUTANTS, RIGHT)


@pytest.mark.parametrize("planted", MUTANTS, ids=lambda planted: planted.name)
def test_a_mistake_is_caught_by_its_own_check_alone(planted: Mutant, results: Results) -> None:
    assert_caught_alone(planted, results[planted.name], RIGHT)
