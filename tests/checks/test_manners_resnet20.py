"""Right resnet20 files in every manner that students write: all of them pass everything."""

import textwrap
from pathlib import Path

import pytest
from support.manners import Manner, assert_passes, manner, results_of
from support.rehearsals import Results

from autograder.homeworks import load

RESNET20 = load("resnet20")
RIGHT = (Path(__file__).parent.parent / "scripts" / "resnet20_right.py").read_text()

BLOCK = RIGHT[RIGHT.index("class BasicBlock") : RIGHT.index("class ResNet20")].rstrip() + "\n"
NETWORK = RIGHT[RIGHT.index("class ResNet20") : RIGHT.index("# Q3")].rstrip() + "\n"
SCRIPT = RIGHT[RIGHT.index("# Q3") :]
WRITTEN = RIGHT[RIGHT.index('with open("history.csv"') : RIGHT.index("plt.plot(")]

BN1 = "        self.bn1 = nn.BatchNorm2d(cout)\n"
CHANGES = "        self.changes = stride != 1 or cin != cout\n"
MATCH = "nn.Sequential(nn.Conv2d(cin, cout, 1, stride=stride, bias=False), nn.BatchNorm2d(cout))"
MADE_SHORTCUT = f"{CHANGES}        if self.changes:\n            self.match = {MATCH}\n"
FIRST_HALF = "        out = F.relu(self.bn1(self.conv1(x)))\n"
SHORTCUT = "        shortcut = self.match(x) if self.changes else x\n"
SUM = "        out = out + shortcut\n"
END = "        return F.relu(out)\n"
STEM_BN = "        self.bn = nn.BatchNorm2d(16)\n"
STEM_RUN = "        x = F.relu(self.bn(self.conv(x)))\n"
POOL = "        self.pool = nn.AvgPool2d(8)\n"
POOL_RUN = "        x = self.pool(x)\n"
FLAT = "        x = x.view(x.size(0), -1)\n"
ANSWER = "        return self.fc(x)\n"
INIT = "        self.init_weights()\n"
INIT_BODY = NETWORK[NETWORK.index("        for m in self.modules()") : NETWORK.index("    def forward")].rstrip() + "\n"
KAIMING = '                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")\n'
MADE_BLOCKS = NETWORK[NETWORK.index("        blocks = ") : NETWORK.index("    def init_weights")].rstrip() + "\n"
MADE_STAGES = NETWORK[NETWORK.index("        self.layer1") : NETWORK.index(POOL)]
STAGES_RUN = "        x = self.layer1(x)\n        x = self.layer2(x)\n        x = self.layer3(x)\n"
NET = "net = ResNet20().to(device)\n"
SGD = "optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)"
FORWARD = "        outputs = net(images)\n"
BACKWARD = "        loss.backward()\n"
STEP = "        optimizer.step()\n"
TESTED = "    test_loss, accuracy = test()\n"
LOADER = "batch_size=batch_size, shuffle=True)"
MOVED = "        images, labels = images.to(device), labels.to(device)\n        # Q5\n"

BRANCHES = """class BasicBlock(nn.Module):
    def __init__(self, cin, cout, stride):
        super(BasicBlock, self).__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(cin, cout, kernel_size=3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(cout),
            nn.ReLU(inplace=True),
            nn.Conv2d(cout, cout, kernel_size=3, padding="same", bias=False),
            nn.BatchNorm2d(cout),
        )
        self.shortcut = nn.Sequential()
        if stride != 1 or cin != cout:
            self.shortcut = nn.Sequential(
                nn.Conv2d(cin, cout, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(cout),
            )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.branch(x) + self.shortcut(x))
"""
IDENTITY = f"        self.match = nn.Identity() if stride == 1 and cin == cout else {MATCH}\n"
DOWNSAMPLE = f"""        self.downsample = None
        if stride != 1 or cin != cout:
            self.downsample = {MATCH}
"""
WITH_NONE = """        shortcut = x
        if self.downsample is not None:
            shortcut = self.downsample(x)
"""
BY_HAND = """        self.block1 = BasicBlock(16, 16, 1)
        self.block2 = BasicBlock(16, 16, 1)
        self.block3 = BasicBlock(16, 16, 1)
        self.block4 = BasicBlock(16, 32, 2)
        self.block5 = BasicBlock(32, 32, 1)
        self.block6 = BasicBlock(32, 32, 1)
        self.block7 = BasicBlock(32, 64, 2)
        self.block8 = BasicBlock(64, 64, 1)
        self.block9 = BasicBlock(64, 64, 1)
"""
BY_HAND_RUN = """        x = self.block3(self.block2(self.block1(x)))
        x = self.block6(self.block5(self.block4(x)))
        x = self.block9(self.block8(self.block7(x)))
"""
MODULE_LIST = """        widths = [16] * 4 + [32] * 3 + [64] * 3
        self.blocks = nn.ModuleList([BasicBlock(a, b, 1 if a == b else 2) for a, b in zip(widths, widths[1:])])
"""
MODULE_LIST_RUN = "        for block in self.blocks:\n            x = block(x)\n"
ONE_CLASS = """class ResNet20(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        widths = [16] * 4 + [32] * 3 + [64] * 3
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16))
        self.convs, self.norms, self.shortcuts = nn.ModuleList(), nn.ModuleList(), nn.ModuleDict()
        for n, (a, b) in enumerate(zip(widths, widths[1:])):
            self.convs.append(nn.Conv2d(a, b, 3, stride=b // a, padding=1, bias=False))
            self.convs.append(nn.Conv2d(b, b, 3, padding=1, bias=False))
            self.norms.extend([nn.BatchNorm2d(b), nn.BatchNorm2d(b)])
            if a != b:
                self.shortcuts[str(n)] = nn.Sequential(nn.Conv2d(a, b, 1, stride=2, bias=False), nn.BatchNorm2d(b))
        self.fc = nn.Linear(64, num_classes)
        for name, p in self.named_parameters():
            if p.dim() == 4:
                nn.init.kaiming_normal_(p, mode="fan_out")

    def forward(self, x):
        x = torch.relu(self.stem(x))
        for n in range(9):
            y = torch.relu(self.norms[2 * n](self.convs[2 * n](x)))
            y = self.norms[2 * n + 1](self.convs[2 * n + 1](y))
            x = torch.relu(y + (self.shortcuts[str(n)](x) if str(n) in self.shortcuts else x))
        return self.fc(x.mean([2, 3]))
"""
INIT_IN_BLOCK = """        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
"""
STEM_ONLY = '        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")\n'
INIT_FUNCTION = """def init(m):
    if isinstance(m, nn.Conv2d):
        nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
    if isinstance(m, nn.BatchNorm2d):
        m.weight.data.fill_(1)
        m.bias.data.zero_()


class ResNet20("""
NORMAL_BY_HAND = """                fan_out = m.out_channels * m.kernel_size[0] * m.kernel_size[1]
                m.weight.data.normal_(0, (2 / fan_out) ** 0.5)
"""
NORMAL_OF_INIT = """                fan_out = m.weight.shape[0] * m.weight[0, 0].numel()
                nn.init.normal_(m.weight, mean=0.0, std=(2.0 / fan_out) ** 0.5)
"""
RANDN_COPIED = """                with torch.no_grad():
                    fan_out = m.weight.size(0) * m.weight.size(2) * m.weight.size(3)
                    m.weight.copy_(torch.randn_like(m.weight) * (2 / fan_out) ** 0.5)
"""
SPLIT = """trainset, valset = torch.utils.data.random_split(trainset, [45000, 5000])
valloader = torch.utils.data.DataLoader(valset, batch_size=100)
trainloader = """
VALIDATION = """    net.eval()
    with torch.no_grad():
        for images, labels in valloader:
            val_loss = criterion(net(images.to(device)), labels.to(device))
"""
BY_PRINT = """f = open("history.csv", "w")
f.write("epoch,train_loss,test_loss,accuracy\\n")
for row in history:
    f.write("%d,%.4f,%.4f,%.2f\\n" % row)
f.close()
"""
BY_JSON = """import json
with open("history.json", "w") as f:
    json.dump([dict(zip(("epoch", "train_loss", "test_loss", "accuracy"), row)) for row in history], f)
"""
EVERY_EPOCH = """    with open("history.csv", "a") as f:
        f.write(f"{epoch + 1},{train_loss:.4f},{test_loss:.4f},{accuracy:.2f}\\n")
"""
BEST = """    if accuracy >= max(row[3] for row in history):
        torch.save({"epoch": epoch, "net": net.state_dict()}, "best.pt")
"""
CHANNELS_LAST = "net = ResNet20().to(device, memory_format=torch.channels_last)\n"
CHANNELS_LAST_MOVED = """        images = images.to(device, memory_format=torch.channels_last)
        labels = labels.to(device)
        # Q5
"""
TOGGLED = """    net.train(False)
    with torch.no_grad():
        print(net(next(iter(testloader))[0].to(device)).shape)
    net.train(True)
"""


def in_main(script: str) -> str:
    start = script.index("# Q3")
    functions = script[script.index("def train()") : script.index("history = []")]
    rest = script[start:].replace(functions, "")
    functions = functions.replace("def train()", "def train(net, criterion, optimizer)")
    functions = functions.replace("def test()", "def test(net, criterion)")
    rest = rest.replace("= train()", "= train(net, criterion, optimizer)").replace("= test()", "= test(net, criterion)")
    main = "def main():\n" + textwrap.indent(rest, "    ")
    return script[:start] + functions + main + '\n\nif __name__ == "__main__":\n    main()\n'


def in_a_main_guard(script: str) -> str:
    start = script.index("# Q3")
    return script[:start] + 'if __name__ == "__main__":\n' + textwrap.indent(script[start:], "    ")


def with_other_names(script: str) -> str:
    names = {
        "BasicBlock": "Conv2Unit",
        "make_layer": "build",
        "init_weights": "reset",
        "changes": "wider",
        "match": "proj",
    }
    for name, other in names.items():
        script = script.replace(name, other)
    return script


MANNERS = [
    manner("as it is"),
    # how the file is laid out
    manner("a main function", in_main),
    manner("a main guard", in_a_main_guard),
    manner("other names", with_other_names),
    manner(
        "super with arguments",
        lambda script: script.replace("super()", "super(ResNet20, self)", 2).replace(
            "super(ResNet20,", "super(BasicBlock,", 1
        ),
    ),
    # activations
    manner(
        "ReLU modules",
        (BN1, BN1 + "        self.relu = nn.ReLU()\n"),
        (FIRST_HALF, FIRST_HALF.replace("F.relu", "self.relu")),
        (END, "        return self.relu(out)\n"),
    ),
    manner(
        "ReLU in place",
        (FIRST_HALF, "        out = self.bn1(self.conv1(x))\n        F.relu(out, inplace=True)\n"),
        (END, "        return F.relu_(out)\n"),
        (STEM_RUN, STEM_RUN.replace("(x)))", "(x)), inplace=True)")),
    ),
    manner("torch.relu", lambda script: script.replace("F.relu", "torch.relu")),
    manner("a method of the tensor", (END, "        return out.relu()\n"), (SUM, "        out.add_(shortcut)\n")),
    manner("clamp for ReLU", (END, "        return out.clamp(min=0)\n")),
    # the block
    manner("Sequential branches, an empty shortcut", (BLOCK, BRANCHES)),
    manner("nn.Identity", (MADE_SHORTCUT, IDENTITY), (SHORTCUT, "        shortcut = self.match(x)\n")),
    manner("None for no shortcut", (MADE_SHORTCUT, DOWNSAMPLE), (SHORTCUT, WITH_NONE)),
    manner("the sum in place", (SUM, "        out += shortcut\n")),
    manner("torch.add, the shortcut first", (SUM, "        out = torch.add(shortcut, out)\n")),
    manner("the sum inside the ReLU", (SUM + END, "        return F.relu(shortcut + out)\n")),
    # the network
    manner("blocks written out", (MADE_STAGES, BY_HAND), (STAGES_RUN, BY_HAND_RUN)),
    manner("ModuleList", (MADE_STAGES, MODULE_LIST), (STAGES_RUN, MODULE_LIST_RUN)),
    manner("no class for blocks", (BLOCK, ""), (NETWORK, ONE_CLASS)),
    manner("functional pool", (POOL, ""), (POOL_RUN, "        x = F.avg_pool2d(x, x.size(3))\n")),
    manner(
        "adaptive pool and Flatten",
        (POOL, "        self.pool = nn.AdaptiveAvgPool2d((1, 1))\n"),
        (FLAT, "        x = nn.Flatten()(x)\n"),
    ),
    manner("mean", (POOL, ""), (POOL_RUN, "        x = x.mean(dim=[2, 3])\n"), (FLAT, "")),
    manner("dropout", (ANSWER, "        return self.fc(F.dropout(x, 0.1, self.training))\n")),
    # initial weights
    manner("each block initialises itself", (INIT_BODY, STEM_ONLY), (MADE_SHORTCUT, MADE_SHORTCUT + INIT_IN_BLOCK)),
    manner("apply", (INIT, "        self.apply(init)\n"), ("class ResNet20(", INIT_FUNCTION)),
    manner("standard deviations by hand", (KAIMING, NORMAL_BY_HAND)),
    manner("init.normal_ with fan_out", (KAIMING, NORMAL_OF_INIT)),
    manner("no_grad around it", (KAIMING, RANDN_COPIED)),
    manner("fan_out alone", (KAIMING, '                nn.init.kaiming_normal_(m.weight, mode="fan_out")\n')),
    # the device
    manner("DataParallel", (NET, "net = nn.DataParallel(ResNet20()).to(device)\n")),
    manner("torch.compile", (NET, NET + "net = torch.compile(net)\n")),
    manner("channels_last", (NET, CHANNELS_LAST), (MOVED, CHANNELS_LAST_MOVED)),
    # the data
    manner("a validation split", ("trainloader = ", SPLIT), (TESTED, VALIDATION + TESTED)),
    manner("loader workers", (LOADER, LOADER[:-1] + ", num_workers=2, pin_memory=True)")),
    # the training
    manner(
        "a schedule by epochs",
        (SGD, SGD + "\nscheduler = optim.lr_scheduler.MultiStepLR(optimizer, [5, 8])"),
        (TESTED, "    scheduler.step()\n" + TESTED),
    ),
    manner(
        "one cycle",
        (SGD, SGD + "\nscheduler = optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=10 * len(trainloader))"),
        (STEP, STEP + "        scheduler.step()\n"),
    ),
    manner("Nesterov", (SGD, SGD.replace(", weight_decay=1e-4", ", nesterov=True"))),
    manner("clipped gradients", (BACKWARD, BACKWARD + "        nn.utils.clip_grad_norm_(net.parameters(), 5.0)\n")),
    manner(
        "log_softmax and NLLLoss",
        (ANSWER, "        return F.log_softmax(self.fc(x), dim=1)\n"),
        ("nn.CrossEntropyLoss()", "nn.NLLLoss()"),
    ),
    manner("smoothed labels", ("nn.CrossEntropyLoss()", "nn.CrossEntropyLoss(label_smoothing=0.1)")),
    manner("a look in between, with train(False)", (TESTED, TOGGLED + TESTED)),
    manner("net.forward(x)", (FORWARD, "        outputs = net.forward(images)\n")),
    # the record
    manner("a record by hand", (WRITTEN, BY_PRINT)),
    manner("a record in JSON", (WRITTEN, BY_JSON)),
    manner("a line after each epoch", (WRITTEN, EVERY_EPOCH)),
    manner("no record", (WRITTEN, "")),
    manner("the best epoch is kept", ('    print("epoch %d: %.4f %.4f %.2f" % history[-1])\n', BEST)),
]


@pytest.fixture(scope="module")
def results() -> Results:
    return results_of(RESNET20, MANNERS, RIGHT)


@pytest.mark.parametrize("written", MANNERS, ids=lambda written: written.name)
def test_a_right_file_passes_everything(written: Manner, results: Results) -> None:
    assert_passes(written, results[written.name])
