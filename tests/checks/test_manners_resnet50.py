"""Right resnet50 files in every manner that students write: all of them pass everything."""

from pathlib import Path

import pytest
from support.manners import Manner, assert_passes, manner, results_of
from support.rehearsals import Results

from autograder.homeworks import load

RESNET50 = load("resnet50")
RIGHT = (Path(__file__).parent.parent / "scripts" / "resnet50_right.py").read_text()

IMPORTS = "import torch.nn as nn\n"
HELPERS = RIGHT[RIGHT.index("def conv1x1") : RIGHT.index("class ResidualBlock")].rstrip() + "\n"
CONV1X1 = (
    "    conv = nn.Conv2d(cin, cout, 1, stride)\n    return nn.Sequential(conv, nn.BatchNorm2d(cout), nn.ReLU())\n"
)
CONV3X3 = """    conv = nn.Conv2d(cin, cout, 3, stride, padding=1)
    return nn.Sequential(conv, nn.BatchNorm2d(cout), nn.ReLU())
"""
BLOCK = RIGHT[RIGHT.index("class ResidualBlock") : RIGHT.index("class ResNet50_layer4")].rstrip() + "\n"
MADE_SHORTCUT = """        if downsample:
            self.downsize = conv1x1(cin, cout, 2)
        else:
            self.make_equal_channel = conv1x1(cin, cout, 1)
"""
EQUAL = "            self.make_equal_channel = conv1x1(cin, cout, 1)\n"
EQUAL_RUN = "            shortcut = self.make_equal_channel(x)\n"
SHORTCUT_RUN = f"        if self.downsample:\n            shortcut = self.downsize(x)\n        else:\n{EQUAL_RUN}"
SUM = "        return out + shortcut\n"
LAYER1 = "        self.layer1 = nn.Sequential(conv, nn.BatchNorm2d(64), nn.ReLU(), pool)\n"
LAYERS = RIGHT[RIGHT.index("        self.layer2") : RIGHT.index("        self.avgpool")]
STAGE = RIGHT[RIGHT.index("    def stage") : RIGHT.index("        x = self.layer1(x)")]
STAGE_BODY = STAGE[STAGE.index("        blocks") : STAGE.index("    def forward")].rstrip() + "\n"
POOL = "        self.avgpool = nn.AvgPool2d(2)\n"
FC = "        self.fc = nn.Linear(1024, num_classes)\n"
LAYERS_RUN = "".join(f"        x = self.layer{number}(x)\n" for number in (2, 3, 4))
LAYER1_RUN = "        x = self.layer1(x)\n"
POOL_RUN = "        x = self.avgpool(x)\n"
FLAT = "        x = x.view(x.size(0), -1)\n"
ANSWER = "        return self.fc(x)\n"

BARE_WHERE_ALIKE = "        elif cin != cout:\n            self.make_equal_channel = conv1x1(cin, cout, 1)\n"
BARE_WHERE_ALIKE_RUN = """        if self.downsample:
            shortcut = self.downsize(x)
        elif x.shape[1] != out.shape[1]:
            shortcut = self.make_equal_channel(x)
        else:
            shortcut = x
"""
IDENTITY_WHERE_ALIKE = "            self.make_equal_channel = conv1x1(cin, cout, 1) if cin != cout else nn.Identity()\n"
TWO_CLASSES = """class Bottleneck(nn.Module):
    def __init__(self, cin, mid, cout, stride=1):
        super().__init__()
        self.layer = nn.Sequential(conv1x1(cin, mid, stride), conv3x3(mid, mid, 1), conv1x1(mid, cout, 1))

    def forward(self, x):
        return self.layer(x) + self.shortcut_of(x)


class Same(Bottleneck):
    def __init__(self, cin, mid, cout):
        super().__init__(cin, mid, cout)
        self.make_equal_channel = conv1x1(cin, cout, 1)

    def shortcut_of(self, x):
        return self.make_equal_channel(x)


class Halving(Bottleneck):
    def __init__(self, cin, mid, cout):
        super().__init__(cin, mid, cout, stride=2)
        self.downsize = conv1x1(cin, cout, 2)

    def shortcut_of(self, x):
        return self.downsize(x)


def ResidualBlock(cin, mid, cout, downsample=False):
    return (Halving if downsample else Same)(cin, mid, cout)
"""
FUNCTIONAL_BLOCK = """class ResidualBlock(nn.Module):
    def __init__(self, cin, mid, cout, downsample=False):
        super().__init__()
        s = 2 if downsample else 1
        self.layer = nn.ModuleList([conv1x1(cin, mid, s), conv3x3(mid, mid, 1), conv1x1(mid, cout, 1)])
        self.shortcut = "downsize" if downsample else "make_equal_channel"
        setattr(self, self.shortcut, conv1x1(cin, cout, s))

    def forward(self, x):
        out = x
        for part in self.layer:
            out = F.relu(part(out))
        return out + F.relu(getattr(self, self.shortcut)(x))
"""
ONE_HELPER = """def conv_norm_relu(cin, cout, **kwargs):
    return nn.Sequential(nn.Conv2d(cin, cout, **kwargs), nn.BatchNorm2d(cout), nn.ReLU(inplace=True))


def conv1x1(cin, cout, stride):
    return conv_norm_relu(cin, cout, kernel_size=1, stride=stride, padding=0)


def conv3x3(cin, cout, stride):
    return conv_norm_relu(cin, cout, kernel_size=3, stride=stride, padding=1)
"""
CLASSES = """class conv1x1(nn.Sequential):
    def __init__(self, cin, cout, stride):
        super().__init__(nn.Conv2d(cin, cout, 1, stride=stride), nn.BatchNorm2d(cout), nn.ReLU())


class conv3x3(nn.Sequential):
    def __init__(self, cin, cout, stride):
        super().__init__(nn.Conv2d(cin, cout, (3, 3), (stride, stride), (1, 1)), nn.BatchNorm2d(cout), nn.ReLU())
"""
BY_HAND = """        self.layer2 = nn.Sequential(
            ResidualBlock(64, 64, 256),
            ResidualBlock(256, 64, 256),
            ResidualBlock(256, 64, 256, True),
        )
        self.layer3 = nn.Sequential(
            ResidualBlock(256, 128, 512),
            *[ResidualBlock(512, 128, 512) for _ in range(2)],
            ResidualBlock(512, 128, 512, downsample=True),
        )
        self.layer4 = nn.Sequential(ResidualBlock(512, 256, 1024), *(ResidualBlock(1024, 256, 1024) for _ in range(5)))
"""
LISTED = """        self.layer2 = nn.ModuleList(self.stage(64, 64, 256, 3, True))
        self.layer3 = nn.ModuleList(self.stage(256, 128, 512, 4, True))
        self.layer4 = nn.ModuleList(self.stage(512, 256, 1024, 6, False))
"""
LISTED_RUN = """        for layer in (self.layer2, self.layer3, self.layer4):
            for block in layer:
                x = block(x)
"""
NUMBERED = """        wide = 64
        for number, (mid, count) in enumerate([(64, 3), (128, 4), (256, 6)], 2):
            self.add_module(f"layer{number}", self.stage(wide, mid, 4 * mid, count, number < 4))
            wide = 4 * mid
"""
COMPREHENSION = """        widths = [cin] + [cout] * (count - 1)
        return nn.Sequential(*[ResidualBlock(w, mid, cout, halves and i + 1 == count) for i, w in enumerate(widths)])
"""
KAIMING = """        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
                nn.init.constant_(m.bias, 0)
            elif isinstance(m, nn.BatchNorm2d):
                nn.init.constant_(m.weight, 1)
                nn.init.constant_(m.bias, 0)
"""
ZERO_LAST = """        for m in self.modules():
            if isinstance(m, ResidualBlock):
                nn.init.zeros_(m.layer[2][1].weight)
"""
FUNCTIONAL_STEM_RUN = "        x = F.max_pool2d(F.relu(self.layer1(x)), 3, 2, 1)\n"
LIST_OF_LAYERS = "        x = nn.Sequential(self.layer2, self.layer3, self.layer4)(x)\n"
TRIED_OUT = """

if __name__ == "__main__":
    net = ResNet50_layer4()
    print(net(torch.zeros(2, 3, 32, 32)).shape)
"""
TRIED_OUT_AT_ONCE = """

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
model = ResNet50_layer4().to(device)
print(sum(p.numel() for p in model.parameters()))
with torch.no_grad():
    print(model(torch.randn(1, 3, 32, 32).to(device)).shape)
"""
WITH_DEVICE = 'device = torch.device("cuda" if torch.cuda.is_available() else "cpu")\n'
WITH_F = (IMPORTS, "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n")
WITH_TORCH = (IMPORTS, "import torch\nimport torch.nn as nn\n")
RELU_LESS = tuple((lines, lines.replace(", nn.ReLU()", "")) for lines in (CONV1X1, CONV3X3))


def with_windows_line_ends(script: str) -> str:
    return script.replace("\n", "\r\n")


def with_other_names(script: str) -> str:
    names = {
        "ResidualBlock": "Bottleneck",
        "conv1x1": "pointwise",
        "conv3x3": "spatial3",
        "avgpool": "gap",
        "stage": "build",
    }
    for name, other in names.items():
        script = script.replace(name, other)
    return script


MANNERS = [
    manner("as it is"),
    # how the file is laid out
    manner("other names", with_other_names),
    manner(
        "super with arguments",
        lambda script: script.replace("super()", "super(ResNet50_layer4, self)", 2).replace(
            "super(ResNet50_layer4,", "super(ResidualBlock,", 1
        ),
    ),
    manner("Windows line ends", with_windows_line_ends),
    manner("tried out below a main guard", WITH_TORCH, (ANSWER, ANSWER + TRIED_OUT)),
    manner("tried out whenever it is imported", WITH_TORCH, (ANSWER, ANSWER + TRIED_OUT_AT_ONCE)),
    manner(
        "a device in the file",
        WITH_TORCH,
        (HELPERS, WITH_DEVICE + "\n\n" + HELPERS),
        (FC, FC + "        self.to(device)\n"),
        (LAYER1_RUN, "        x = x.to(device)\n" + LAYER1_RUN),
    ),
    # the convolutions
    manner("one helper with keyword arguments", (HELPERS, ONE_HELPER)),
    manner("subclasses of Sequential", (HELPERS, CLASSES)),
    manner("ReLU in place", lambda script: script.replace("nn.ReLU()", "nn.ReLU(inplace=True)")),
    manner("functional ReLU", WITH_F, *RELU_LESS, (BLOCK, FUNCTIONAL_BLOCK)),
    # shortcuts
    manner(
        "a shortcut without projection where channels agree",
        (MADE_SHORTCUT[MADE_SHORTCUT.index("        else") :], BARE_WHERE_ALIKE),
        (SHORTCUT_RUN, BARE_WHERE_ALIKE_RUN),
    ),
    manner("nn.Identity where channels agree", (EQUAL, IDENTITY_WHERE_ALIKE)),
    manner(
        "nn.Identity, ReLU in place",
        lambda script: script.replace("nn.ReLU()", "nn.ReLU(inplace=True)"),
        (EQUAL, IDENTITY_WHERE_ALIKE),
    ),
    # the block
    manner("a class for each variant", (BLOCK, TWO_CLASSES)),
    manner("torch.add, the shortcut first", WITH_TORCH, (SUM, "        return torch.add(shortcut, out)\n")),
    manner("the sum of a list", (SUM, "        return sum([out, shortcut])\n")),
    manner("a ReLU after the addition", (SUM, "        return (out + shortcut).relu()\n")),
    # the network
    manner("blocks written out", (LAYERS, BY_HAND), (STAGE, "    def forward(self, x):\n")),
    manner("a comprehension", (STAGE_BODY, COMPREHENSION)),
    manner("ModuleList", (LAYERS, LISTED), (LAYERS_RUN, LISTED_RUN)),
    manner("layers by number", (LAYERS, NUMBERED)),
    manner(
        "ReLU and pool of layer 1 in forward",
        WITH_F,
        (LAYER1, LAYER1.replace(", nn.ReLU(), pool", "")),
        (LAYER1_RUN, FUNCTIONAL_STEM_RUN),
    ),
    manner("one Sequential around the layers in forward", (LAYERS_RUN, LIST_OF_LAYERS)),
    # the end
    manner("adaptive pool", (POOL, "        self.avgpool = nn.AdaptiveAvgPool2d(1)\n")),
    manner("a pool with stride 1", (POOL, "        self.avgpool = nn.AvgPool2d(2, stride=1)\n")),
    manner(
        "functional pool, torch.flatten",
        WITH_F,
        (POOL, ""),
        (POOL_RUN, "        x = F.avg_pool2d(x, x.size(3))\n"),
        (FLAT, "        x = torch.flatten(x, 1)\n"),
    ),
    manner("mean", (POOL, ""), (POOL_RUN, "        x = x.mean((2, 3))\n"), (FLAT, "")),
    manner(
        "log_softmax at the end",
        ("        return self.fc(x)\n", "        return self.fc(x).log_softmax(dim=1)\n"),
    ),
    manner(
        "dropout",
        (FC, FC + "        self.drop = nn.Dropout(0.5)\n"),
        (ANSWER, "        return self.fc(self.drop(x))\n"),
    ),
    # initial weights
    manner("Kaiming in the constructor", (FC, FC + KAIMING)),
    manner("the last BN of a branch starts at 0", (FC, FC + ZERO_LAST)),
    # types and layouts
    manner("weights in channels last", WITH_TORCH, (FC, FC + "        self.to(memory_format=torch.channels_last)\n")),
    # There are declared answers for all of these projections and for none of them.
    Manner(
        "nn.Identity in layer 4 alone",
        ((EQUAL, IDENTITY_WHERE_ALIKE.replace("cin != cout", "cin != 1024")),),
        may_wait=("answers",),
    ),
    # In float64 it fails, so its answers can't be looked at.
    Manner("float32 by name", ((LAYER1_RUN, "        x = self.layer1(x.float())\n"),), may_wait=("answers",)),
]


@pytest.fixture(scope="module")
def results() -> Results:
    return results_of(RESNET50, MANNERS, RIGHT)


@pytest.mark.parametrize("written", MANNERS, ids=lambda written: written.name)
def test_a_right_file_passes_everything(written: Manner, results: Results) -> None:
    assert_passes(written, results[written.name])
