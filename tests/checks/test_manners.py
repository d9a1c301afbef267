"""Right hw6 files in every manner that students write: all of them pass everything."""

import textwrap
from pathlib import Path

import pytest
from support.manners import Manner, assert_passes, manner, results_of
from support.rehearsals import Results

from autograder.homeworks import load

HW6 = load("hw6")
RIGHT = (Path(__file__).parent.parent / "scripts" / "hw6_right.py").read_text()

TRAINING = RIGHT[RIGHT.index("for epoch in range(5)") : RIGHT.index("net.eval()")]
TESTING = RIGHT[RIGHT.index("net.eval()") :]
DATA = RIGHT[RIGHT.index("trainset =") : RIGHT.index("class Block")]
INIT = "        self.bn1 = nn.BatchNorm2d(cin)\n"
MATCH = "            self.match = nn.Conv2d(cin, cout, 1, stride=stride)\n"
SKIP = "        skip = x if self.same else self.match(x)\n"
SUM = """        out = out + skip
        return out
"""
FLAT = "        x = x.view(x.size(0), -1)\n"
POOLED = "        x = self.pool(x)\n"
POOL = "        self.pool = nn.AvgPool2d(4, stride=4)\n"
ZERO = "        optimizer.zero_grad()\n"
STEP = "        optimizer.step()\n"
FORWARD = "        outputs = net(images)\n"
SGD = "optim.SGD(net.parameters(), lr=0.001, momentum=0.9)"
NET = "net = IdentityResNet(2, 2, 2, 2).to(device)\n"
MADE_BLOCKS = """        blocks = [Block(cin, cout, stride)]
        blocks += [Block(cout, cout, 1) for _ in range(count - 1)]
        return nn.Sequential(*blocks)
"""


def in_a_main_guard(script: str) -> str:
    start = script.index("# Q3")
    return script[:start] + 'if __name__ == "__main__":\n' + textwrap.indent(script[start:], "    ")


def in_functions(script: str) -> str:
    start = script.index("# Q3")
    rest = script[start:]
    train, test = TRAINING, TESTING
    rest = rest.replace(train, "train(net, optimizer, criterion)\n\n").replace(test, "test(net)\n")
    functions = [
        "def train(net, optimizer, criterion):\n" + textwrap.indent(train, "    "),
        "def test(net):\n" + textwrap.indent(test, "    "),
        "def main():\n" + textwrap.indent(rest, "    "),
    ]
    return script[:start] + "\n\n".join(functions) + "\n\nmain()\n"


def with_tabs(script: str) -> str:
    lines = []
    for line in script.splitlines():
        text = line.lstrip(" ")
        depth, rest = divmod(len(line) - len(text), 4)
        lines.append("\t" * depth + " " * rest + text)
    return "\n".join(lines) + "\n"


def crlf(script: str) -> str:
    return script.replace("\n", "\r\n")


def bom(script: str) -> str:
    return "\ufeff" + script


def with_from_imports(script: str) -> str:
    start = script.index("# Q1")
    imports = """from torch import device as Device, cuda, no_grad
from torch.nn import AdaptiveAvgPool2d, AvgPool2d, BatchNorm2d, Conv2d, CrossEntropyLoss, Linear, Module, Sequential
from torch.nn.functional import relu
from torch.optim import SGD
from torch.utils.data import DataLoader
from torchvision.datasets import CIFAR10
from torchvision.transforms import Compose, Normalize, ToTensor

"""
    rest = script[start:].replace("torch.device(", "Device(").replace("torch.cuda.", "cuda.").replace("optim.", "")
    rest = rest.replace("torchvision.datasets.", "").replace("torch.utils.data.", "").replace("transforms.", "")
    return imports + rest.replace("nn.", "").replace("F.relu", "relu").replace("torch.no_grad", "no_grad")


OPTION_A = """        if not self.same:
            pooled = F.max_pool2d(x, 2, stride=2)
            zeros = torch.zeros(pooled.size(0), self.cout - pooled.size(1), pooled.size(2), pooled.size(3))
            x = torch.cat((pooled, zeros.to(x.device)), dim=1)
        skip = x
"""
WITHOUT_MATCH = ("        if not self.same:\n" + MATCH, "        self.cout = cout\n")
SEQUENTIAL = """class Block(nn.Module):
    def __init__(self, cin, cout, stride):
        super(Block, self).__init__()
        self.branch = nn.Sequential(
            nn.BatchNorm2d(cin),
            nn.ReLU(inplace=True),
            nn.Conv2d(cin, cout, kernel_size=(3, 3), stride=(stride, stride), padding=(1, 1)),
            nn.BatchNorm2d(cout),
            nn.ReLU(inplace=True),
            nn.Conv2d(cout, cout, kernel_size=3, padding="same"),
        )
        self.shortcut = nn.Sequential()
        if stride != 1 or cin != cout:
            self.shortcut = nn.Sequential(nn.Conv2d(cin, cout, kernel_size=1, stride=stride, bias=False))

    def forward(self, x):
        out = self.branch(x)
        out += self.shortcut(x)
        return out
"""
BY_HAND = "        for p in net.parameters():\n            p.grad = None\n"
ZEROED_BY_HAND = """        for p in net.parameters():
            if p.grad is not None:
                p.grad.zero_()
"""
VALIDATION = """    net.eval()
    with torch.no_grad():
        for images, labels in valloader:
            val_loss = criterion(net(images.to(device)), labels.to(device))
"""

LOOKED_AT_FIRST = """print(net(torch.randn(1, 3, 32, 32).to(device)).shape)
images, labels = next(iter(testloader))
print(net(images.to(device)))
criterion = """
AUTOCAST = """\
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs = net(images)
        outputs = outputs.float()
"""
EVERY_SECOND_PIXEL = """\
        skip = x if self.same else F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.cout // 4, self.cout // 4))
"""
ZEROS_LIKE_THE_POOLED = """\
        skip = x
        if not self.same:
            skip = F.max_pool2d(x, 2)
            skip = torch.cat([skip, torch.zeros_like(skip)], 1)
"""
POOLED_PREACTIVATION = """\
        skip = x if self.same else F.pad(F.max_pool2d(a, 2), (0, 0, 0, 0, 0, self.cout // 2))
"""
PADDED = """\
        skip = x if self.same else F.pad(F.max_pool2d(x, 2), (0, 0, 0, 0, 0, self.cout // 2))
"""
MODULE_LIST = """\
        return nn.ModuleList([Block(cin if n == 0 else cout, cout, stride if n == 0 else 1) for n in range(count)])
"""
ADDED_MODULES = """\
        stage = nn.Sequential()
        for n in range(count):
            stage.add_module(f"block{n}", Block(cin if n == 0 else cout, cout, stride if n == 0 else 1))
        return stage
"""
KAIMING = """\
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight)
                nn.init.zeros_(m.bias)
"""
SPLIT = """trainset, valset = torch.utils.data.random_split(trainset, [45000, 5000])
valloader = torch.utils.data.DataLoader(valset, batch_size=16)
trainloader = """
AUGMENTED = """transforms.Compose([
    transforms.RandomCrop(32, padding=4),
    transforms.RandomHorizontalFlip(),
    transforms.ToTensor(),"""
BATCH_SAMPLER = """batch_sampler=torch.utils.data.BatchSampler(
    torch.utils.data.RandomSampler(trainset), batch_size, drop_last=True
))"""
ONE_CYCLE = """
scheduler = optim.lr_scheduler.OneCycleLR(optimizer, 0.05, epochs=5, steps_per_epoch=len(trainloader))"""
GROUPS = """optim.SGD([
    {"params": [p for p in net.parameters() if p.dim() > 1]},
    {"params": [p for p in net.parameters() if p.dim() == 1], "weight_decay": 0},
], lr=0.001, momentum=0.9)"""
CHECKPOINT = """import os
os.makedirs("checkpoint", exist_ok=True)
torch.save(net.state_dict(), "./checkpoint/net.pt")
net.load_state_dict(torch.load("./checkpoint/net.pt"))
net.eval()
"""
CLASS_BY_CLASS = """\
        total += labels.size(0)
        c = (outputs.argmax(1) == labels.to(device)).squeeze()
        for i in range(4):
            seen[labels[i].item()] = seen.get(labels[i].item(), 0) + c[i].item()
"""

MANNERS = [
    manner("as it is"),
    # how the file is laid out
    manner("a main guard", in_a_main_guard),
    manner("functions", in_functions),
    manner("from-imports", with_from_imports),
    manner("CRLF line ends", crlf),
    manner("tabs", with_tabs),
    manner("a byte order mark", bom),
    manner("sys.exit at the end", lambda script: script + "import sys\nsys.exit()\n"),
    manner(
        "pictures",
        (
            "class Block(",
            """import matplotlib.pyplot as plt
import numpy as np


def imshow(img):
    plt.imshow(np.transpose((img / 2 + 0.5).numpy(), (1, 2, 0)))
    plt.show()


images, labels = next(iter(trainloader))
imshow(torchvision.utils.make_grid(images))


class Block(""",
        ),
    ),
    # how the forward pass is called
    manner(
        "net.forward(x)",
        (FORWARD, FORWARD.replace("net(", "net.forward(")),
        ("net(images.to(device))", "net.forward(images.to(device))"),
    ),
    manner(
        "a look at a batch before training",
        (
            "criterion = ",
            LOOKED_AT_FIRST,
        ),
    ),
    manner("DataParallel", (NET, "net = nn.DataParallel(IdentityResNet(2, 2, 2, 2)).to(device)\n")),
    manner("torch.compile", (NET, NET + "net = torch.compile(net)\n")),
    manner(
        "autocast",
        (
            FORWARD,
            AUTOCAST,
        ),
    ),
    manner(
        "log_softmax and NLLLoss",
        ("        return self.fc(x)\n", "        return F.log_softmax(self.fc(x), dim=1)\n"),
        ("nn.CrossEntropyLoss()", "nn.NLLLoss()"),
    ),
    # how gradients are cleared
    manner("gradients set to None by hand", (ZERO, BY_HAND)),
    manner("gradients zeroed by hand", (ZERO, ZEROED_BY_HAND)),
    manner("gradients zeroed after the step", (ZERO, ""), (STEP, STEP + ZERO)),
    manner("net.zero_grad()", (ZERO, "        net.zero_grad()\n")),
    manner("zeroed to zeros", (ZERO, "        optimizer.zero_grad(set_to_none=False)\n")),
    manner("zeroed between forward and backward", (ZERO, ""), ("        # Q7\n", "        # Q7\n" + ZERO)),
    # the skip
    manner("option A, concatenated zeros", (SKIP, OPTION_A), WITHOUT_MATCH),
    manner(
        "option A, padded",
        (SKIP, PADDED),
        WITHOUT_MATCH,
    ),
    manner(
        "option A, every second pixel",
        (
            SKIP,
            EVERY_SECOND_PIXEL,
        ),
        WITHOUT_MATCH,
    ),
    manner(
        "option A, zeros of the pooled shape",
        (
            SKIP,
            ZEROS_LIKE_THE_POOLED,
        ),
        WITHOUT_MATCH,
    ),
    manner(
        "option A, from BN and ReLU",
        (SKIP, POOLED_PREACTIVATION),
        WITHOUT_MATCH,
    ),
    manner("option B, from BN and ReLU", (SKIP, SKIP.replace("match(x)", "match(a)"))),
    manner(
        "option B, with a BN",
        (
            MATCH,
            "            self.match = nn.Sequential(nn.Conv2d(cin, cout, 1, stride=stride), nn.BatchNorm2d(cout))\n",
        ),
    ),
    manner(
        "option B, after a BN of its own",
        (
            MATCH,
            "            self.match = nn.Sequential(nn.BatchNorm2d(cin), nn.Conv2d(cin, cout, 1, stride=stride))\n",
        ),
    ),
    manner("the sum in place", (SUM, "        out += skip\n        return out\n")),
    manner("the skip first in the sum", (SUM, "        return torch.add(skip, out)\n")),
    # the layers
    manner(
        "no biases",
        lambda script: script.replace("padding=1)", "padding=1, bias=False)").replace(
            "1, stride=stride)\n\n", "1, stride=stride, bias=False)\n\n"
        ),
    ),
    manner(
        "some biases",
        (
            "        self.conv = nn.Conv2d(3, 64, 3, stride=1, padding=1)\n",
            "        self.conv = nn.Conv2d(3, 64, 3, stride=1, padding=1, bias=False)\n",
        ),
    ),
    manner(
        "Sequential blocks, ReLU in place",
        (RIGHT[RIGHT.index("class Block") : RIGHT.index("class IdentityResNet")].rstrip() + "\n", SEQUENTIAL),
    ),
    manner(
        "ReLU in place",
        ("F.relu(self.bn1(x))", "F.relu(self.bn1(x), inplace=True)"),
        ("F.relu(self.bn2(out))", "F.relu_(self.bn2(out))"),
    ),
    manner("clamp for ReLU", ("F.relu(self.bn2(out))", "self.bn2(out).clamp(min=0)")),
    manner(
        "ModuleList",
        (
            MADE_BLOCKS,
            MODULE_LIST,
        ),
        *(
            (f"        x = self.stage{n}(x)\n", f"        for block in self.stage{n}:\n            x = block(x)\n")
            for n in (1, 2, 3, 4)
        ),
    ),
    manner(
        "add_module",
        (
            MADE_BLOCKS,
            ADDED_MODULES,
        ),
    ),
    manner(
        "a last BN",
        (POOLED, "        x = self.last(x)\n" + POOLED),
        (POOL, POOL + "        self.last = nn.BatchNorm2d(512)\n"),
    ),
    manner(
        "a last BN and ReLU",
        (POOLED, "        x = F.relu(self.last(x))\n" + POOLED),
        (POOL, POOL + "        self.last = nn.BatchNorm2d(512)\n"),
    ),
    manner("adaptive pool", (POOL, "        self.pool = nn.AdaptiveAvgPool2d((1, 1))\n")),
    manner("functional pool", (POOLED, "        x = F.avg_pool2d(x, kernel_size=4, stride=4)\n")),
    manner("mean", (POOLED, "        x = x.mean(dim=(2, 3))\n"), (FLAT, "")),
    manner("mean over the flat map", (POOLED, "        x = x.flatten(2).mean(-1)\n"), (FLAT, "")),
    manner("flatten", (FLAT, "        x = torch.flatten(x, 1)\n")),
    manner("reshape", (FLAT, "        x = x.reshape(-1, 512)\n")),
    manner("squeeze of two sides", (FLAT, "        x = x.squeeze(-1).squeeze(-1)\n")),
    manner(
        "own initialisation",
        (
            POOL,
            POOL + KAIMING,
        ),
    ),
    manner(
        "a global device inside the constructor",
        (
            "        self.conv = nn.Conv2d(3, 64, 3, stride=1, padding=1)\n",
            "        self.conv = nn.Conv2d(3, 64, 3, stride=1, padding=1).to(device)\n",
        ),
    ),
    manner(
        "dropout", ("        out = self.conv2(out)\n", "        out = self.conv2(F.dropout(out, 0.1, self.training))\n")
    ),
    manner(
        "counts by default",
        (
            "nblk_stage1, nblk_stage2, nblk_stage3, nblk_stage4):",
            "nblk_stage1=2, nblk_stage2=2, nblk_stage3=2, nblk_stage4=2, classes=10):",
        ),
    ),
    # the device
    manner(
        "a default device",
        ("# Q2\n", "torch.set_default_device(device)\n# Q2\n"),
        ("shuffle=True)", "shuffle=True, generator=torch.Generator(device=device))"),
    ),
    manner(
        "a device as a string",
        (
            'torch.device("cuda:0" if torch.cuda.is_available() else "cpu")',
            '"cuda" if torch.cuda.is_available() else "cpu"',
        ),
    ),
    manner(
        "a chain that takes Apple's GPU, too",
        (
            'torch.device("cuda:0" if torch.cuda.is_available() else "cpu")',
            'torch.device("cuda" if torch.cuda.is_available() else "mps" if torch.mps.is_available() else "cpu")',
        ),
    ),
    manner("to() on a line of its own", (NET, "net = IdentityResNet(2, 2, 2, 2)\nnet.to(device)\n")),
    # the data
    manner(
        "a subset", ("trainloader = ", "trainset = torch.utils.data.Subset(trainset, range(20000))\ntrainloader = ")
    ),
    manner(
        "a validation loop",
        (
            "trainloader = ",
            SPLIT,
        ),
        ("    print(epoch, loss.item())\n", VALIDATION),
    ),
    manner("a test in every epoch", ("    print(epoch, loss.item())\n", VALIDATION.replace("valloader", "testloader"))),
    manner(
        "augmentation",
        (
            "transforms.Compose([transforms.ToTensor(),",
            AUGMENTED,
        ),
    ),
    manner(
        "loader workers",
        (
            "batch_size=batch_size, shuffle=True)",
            "batch_size=batch_size, shuffle=True, num_workers=2, pin_memory=True)",
        ),
    ),
    manner(
        "a batch sampler",
        (
            "batch_size=batch_size, shuffle=True)",
            BATCH_SAMPLER,
        ),
    ),
    manner(
        "an iterator",
        ("for images, labels in trainloader:", "for i, data in enumerate(trainloader, 0):"),
        (
            "images, labels = images.to(device), labels.to(device)\n        # Q5",
            "images, labels = data[0].to(device), data[1].to(device)\n        # Q5",
        ),
    ),
    manner("batches of 4", ("batch_size = 16", "batch_size = 4")),
    manner("batches of 512", ("batch_size = 16", "batch_size = 512"), ("batch_size=4", "batch_size=512")),
    # the optimizer
    manner(
        "a schedule by steps",
        (SGD, SGD + "\nscheduler = optim.lr_scheduler.StepLR(optimizer, 2)"),
        ("    print(epoch, loss.item())\n", "    scheduler.step()\n"),
    ),
    manner(
        "one cycle",
        (
            SGD,
            SGD + ONE_CYCLE,
        ),
        (STEP, STEP + "        scheduler.step()\n"),
    ),
    manner(
        "a warm-up from 0",
        (SGD, SGD + "\nscheduler = optim.lr_scheduler.LambdaLR(optimizer, lambda n: min(1, n / 100))"),
        (STEP, STEP + "        scheduler.step()\n"),
    ),
    manner("Nesterov and weight decay", ("momentum=0.9", "momentum=0.9, nesterov=True, weight_decay=5e-4")),
    manner(
        "groups of parameters",
        (
            SGD,
            GROUPS,
        ),
    ),
    manner(
        "a scaler",
        (STEP, "        scaler.step(optimizer)\n        scaler.update()\n"),
        ("        loss.backward()\n", "        scaler.scale(loss).backward()\n"),
        ("criterion =", 'scaler = torch.amp.GradScaler("cpu", enabled=False)\ncriterion ='),
    ),
    manner("clipped gradients", (STEP, "        nn.utils.clip_grad_norm_(net.parameters(), 1.0)\n" + STEP)),
    manner(
        "a checkpoint",
        (
            "net.eval()\n",
            CHECKPOINT,
        ),
    ),
    Manner(
        "training until nothing is wrong",
        (("for epoch in range(5):", "epoch = 0\nwhile True:"),),
        ("no-grad", "eval-mode"),
    ),
    # the test
    manner("inference_mode", ("torch.no_grad()", "torch.inference_mode()")),
    manner("set_grad_enabled", ("with torch.no_grad():\n", "torch.set_grad_enabled(False)\nif True:\n")),
    manner(
        "no_grad as a decorator",
        lambda script: script.replace(
            TESTING,
            "@torch.no_grad()\ndef test():\n"
            + textwrap.indent(TESTING.replace("with torch.no_grad():", "if True:"), "    ")
            + "\n\ntest()\n",
        ),
    ),
    manner("two test loops", lambda script: script + TESTING),
    manner(
        "class by class",
        (
            "        total += labels.size(0)\n",
            CLASS_BY_CLASS,
        ),
        ("correct, total = 0, 0\n", "correct, total = 0, 0\nseen = {}\n"),
    ),
]


@pytest.fixture(scope="module")
def results() -> Results:
    return results_of(HW6, MANNERS, RIGHT)


@pytest.mark.parametrize("written", MANNERS, ids=lambda written: written.name)
def test_a_right_file_passes_everything(written: Manner, results: Results) -> None:
    assert_passes(written, results[written.name])
