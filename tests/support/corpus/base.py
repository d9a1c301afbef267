"""The script that most rows are made from, and the places in it where something is planted."""

import re
import textwrap

# Where a row plants its lines: "# at: name".
_BASE = '''\
"""A small network, trained and tested as hw6 asks."""
# at: top
import torch
import torch.nn as nn
import torchvision
import torchvision.transforms as T
# at: start


class IdentityResNet(nn.Module):
    def __init__(self, nblk_stage1, nblk_stage2, nblk_stage3, nblk_stage4):
        super().__init__()
        # at: init
        self.conv = nn.Conv2d(3, 8, 5, stride=4)
        self.fc = nn.Linear(8 * 7 * 7, 10)

    def forward(self, x):
        # at: forward
        x = self.fc(torch.relu(self.conv(x)).flatten(1))
        # at: answer
        return x


transform = T.Compose([T.ToTensor(), T.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))])
# at: data
trainset = torchvision.datasets.CIFAR10(root="./data", train=True, download=True, transform=transform)
testset = torchvision.datasets.CIFAR10(root="./data", train=False, download=True, transform=transform)
trainloader = torch.utils.data.DataLoader(trainset, batch_size=16, shuffle=True)
testloader = torch.utils.data.DataLoader(testset, batch_size=4, shuffle=False)

net = IdentityResNet(2, 2, 2, 2)
optimizer = torch.optim.SGD(net.parameters(), lr=0.03, momentum=0.9)
epochs = 5
# at: made

for epoch in range(epochs):
    for images, labels in trainloader:
        # at: batch
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        # at: stepped
    print("epoch", epoch)
# at: trained

net.eval()
right = total = 0
with torch.no_grad():
    for images, labels in testloader:
        # at: test
        right += (net(images).argmax(1) == labels).sum().item()
        total += len(labels)
print(f"accuracy of the network: {100 * right / total:.1f} %")
# at: end
'''


def script(**planted: str) -> str:
    """The base script with lines planted at places of it: `script(forward="while True: pass")`."""
    text = _BASE
    for place, lines in planted.items():
        found = re.search(rf"^( *)# at: {place}\n", text, re.MULTILINE)
        assert found is not None, f"there is no place called {place}"
        indented = textwrap.indent(textwrap.dedent(lines).strip("\n") + "\n", found[1])
        text = text[: found.start()] + indented + text[found.end() :]
    return re.sub(r"^ *# at: .*\n", "", text, flags=re.MULTILINE)


def in_training(lines: str) -> str:
    """`lines` that do nothing while the submission is only looked at: what hangs then costs its limit only once."""
    indented = textwrap.indent(textwrap.dedent(lines).strip("\n"), "    ")
    return f"import os\nif os.path.exists('/data/train_images.npy'):\n{indented}\n"


def pipes(lines: str, then: str = "") -> str:
    """`lines` in training, with what speaks to the grader over the proctor's own descriptors; then `then`.

    `tell(*contents)` sends messages that begin with the run's number, which it has looked up in the proctor's memory;
    `raw(*bytes)` writes as it is, `hear()` waits for the grader's next message;
    `REPORT` is a report as the proctor writes it, of a training that never was.
    """
    helpers = """
        import fcntl, json, os, struct, sys
        from multiprocessing.connection import Connection
        INLETS, OUTLETS = [], []
        for name in os.listdir("/proc/self/fd"):
            try:
                if int(name) > 2 and os.readlink(f"/proc/self/fd/{name}").startswith("pipe:"):
                    mode = fcntl.fcntl(int(name), fcntl.F_GETFL) & os.O_ACCMODE
                    (INLETS if mode == os.O_RDONLY else OUTLETS).append(int(name))
            except OSError:
                pass
        frame = sys._getframe()
        while "channel" not in frame.f_locals:
            frame = frame.f_back
        NUMBER = frame.f_locals["channel"]._nonce
        def raw(*contents):
            for content in contents:
                for outlet in OUTLETS:
                    os.write(outlet, content)
        def tell(*contents):
            raw(*(struct.pack("!i", len(NUMBER + content)) + NUMBER + content for content in contents))
        def hear():
            return Connection(os.dup(INLETS[0]), writable=False).recv_bytes()
        REPORT = {"ended_by": "script", "epochs": 5.0, "images": 240, "steps": 15, "seconds": 1.0,
                  "network_class": "IdentityResNet", "parameters": 4538, "left_in": "eval", "test_batch_size": 4,
                  "device": "cpu"}
        TRAINED = json.dumps({"kind": "trained", "report": REPORT}).encode()
    """
    return in_training(textwrap.dedent(helpers) + textwrap.dedent(lines)) + textwrap.dedent(then)
