#!/usr/bin/env python
# E. Petrova
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import CIFAR10

EPOCHS = 10


class Residual(nn.Module):
    """conv-bn-relu-conv-bn, + shortcut, relu"""

    def __init__(self, cin: int, cout: int, stride: int = 1) -> None:
        super().__init__()
        self.a = nn.Conv2d(cin, cout, 3, stride=stride, padding=1, bias=False)
        self.a_norm = nn.BatchNorm2d(cout)
        self.b = nn.Conv2d(cout, cout, 3, padding=1, bias=False)
        self.b_norm = nn.BatchNorm2d(cout)
        self.project = None
        if cin != cout:
            self.project = nn.Conv2d(cin, cout, 1, stride=stride, bias=False)
            self.project_norm = nn.BatchNorm2d(cout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = F.relu(self.a_norm(self.a(x)))
        h = self.b_norm(self.b(h))
        if self.project is not None:
            x = self.project_norm(self.project(x))
        return F.relu(h + x)


class ResNet20(nn.Module):
    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(16)
        blocks = []
        cin = 16
        for cout in (16, 32, 64):
            for n in range(3):
                blocks.append(Residual(cin, cout, stride=2 if cout != cin else 1))
                cin = cout
        self.blocks = nn.ModuleList(blocks)
        self.linear = nn.Linear(64, num_classes)

    def _initialize_weights(self) -> None:
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, nn.BatchNorm2d):
                nn.init.ones_(m.weight)
                nn.init.zeros_(m.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.first_norm(self.first(x)))
        for block in self.blocks:
            x = block(x)
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)
        return self.linear(x)


def loaders(batch_size: int) -> tuple[DataLoader, DataLoader]:
    normalize = transforms.Normalize((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616))
    train_tf = transforms.Compose([transforms.RandomHorizontalFlip(), transforms.ToTensor(), normalize])
    test_tf = transforms.Compose([transforms.ToTensor(), normalize])
    train = CIFAR10("data", train=True, download=True, transform=train_tf)
    test = CIFAR10("data", train=False, download=True, transform=test_tf)
    return DataLoader(train, batch_size, shuffle=True, drop_last=True), DataLoader(test, 250)


def train_epoch(net, loader, optimizer, device) -> float:
    net.train()
    losses = []
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        outputs = net(images)  # Q6
        loss = F.cross_entropy(outputs, labels)
        optimizer.zero_grad()  # Q5
        loss.backward()  # Q7
        optimizer.step()  # Q8
        losses.append(loss.item())
    return sum(losses) / max(len(losses), 1)


@torch.no_grad()  # Q9
def evaluate(net, loader, device) -> tuple[float, float]:
    net.eval()
    loss, right, count = 0.0, 0, 0
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        outputs = net(images)
        loss += F.cross_entropy(outputs, labels, reduction="sum").item()
        right += (outputs.argmax(1) == labels).sum().item()
        count += len(labels)
    return loss / count, 100 * right / count


def main() -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")  # Q1
    train_loader, test_loader = loaders(batch_size=20)  # Q2
    net = ResNet20().to(device)  # Q3
    optimizer = torch.optim.SGD(net.parameters(), lr=0.03, momentum=0.9)  # Q4

    lines = ["epoch,train_loss,test_loss,accuracy"]
    for epoch in range(1, EPOCHS + 1):
        train_loss = train_epoch(net, train_loader, optimizer, device)
        test_loss, accuracy = evaluate(net, test_loader, device)
        lines.append(f"{epoch},{train_loss:.4f},{test_loss:.4f},{accuracy:.2f}")
        print(lines[-1], flush=True)
        Path("history.csv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
