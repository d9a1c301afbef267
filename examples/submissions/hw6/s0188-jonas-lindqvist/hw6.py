"""HW6, Jonas Lindqvist."""
import torch
from torch import nn, optim
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import CIFAR10
import matplotlib.pyplot as plt

device = "cuda" if torch.cuda.is_available() else "cpu"  # Q1
batch_size = 32  # Q2

to_tensor = transforms.Compose([
    transforms.ToTensor(),
    transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
])
train_loader = DataLoader(CIFAR10("./data", train=True, download=True, transform=to_tensor),
                          batch_size=batch_size, shuffle=True, num_workers=2)
test_loader = DataLoader(CIFAR10("./data", train=False, download=True, transform=to_tensor),
                         batch_size=batch_size, num_workers=2)


class PreActBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=False),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=False),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x):
        return x + self.body(x)


class DownBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1)
        self.bn2 = nn.BatchNorm2d(2 * channels)
        self.conv2 = nn.Conv2d(2 * channels, 2 * channels, 3, padding=1)
        self.shortcut = nn.Conv2d(channels, 2 * channels, 1, stride=2)

    def forward(self, x):
        out = torch.relu(self.bn1(x))
        shortcut = self.shortcut(out)
        out = self.conv1(out)
        out = torch.relu(self.bn2(out))
        return self.conv2(out) + shortcut


class IdentityResNet(nn.Module):
    def __init__(self, nblk_stage1, nblk_stage2, nblk_stage3, nblk_stage4):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, padding=1)
        # repeat the block as often as asked
        self.stage1 = nn.Sequential(*[PreActBlock(64)] * nblk_stage1)
        self.stage2 = nn.Sequential(DownBlock(64), *[PreActBlock(128)] * (nblk_stage2 - 1))
        self.stage3 = nn.Sequential(DownBlock(128), *[PreActBlock(256)] * (nblk_stage3 - 1))
        self.stage4 = nn.Sequential(DownBlock(256), *[PreActBlock(512)] * (nblk_stage4 - 1))
        self.fc = nn.Linear(512, 10)

    def forward(self, x):
        x = self.stage1(self.conv1(x))
        x = self.stage2(x)
        x = self.stage3(x)
        x = self.stage4(x)
        x = nn.functional.avg_pool2d(x, 4, 4).flatten(1)
        return self.fc(x)


model = IdentityResNet(2, 2, 2, 2).to(device)  # Q3
loss_function = nn.CrossEntropyLoss()
optimizer = optim.SGD(model.parameters(), lr=0.002, momentum=0.9)  # Q4

losses = []
for epoch in range(5):
    model.train()
    for step, (x, y) in enumerate(train_loader, 1):
        x, y = x.to(device), y.to(device)
        optimizer.zero_grad()  # Q5
        prediction = model(x)  # Q6
        loss = loss_function(prediction, y)
        loss.backward()  # Q7
        optimizer.step()  # Q8
        losses.append(loss.item())
        if step % 20 == 0:
            print("epoch", epoch, "step", step, "loss", sum(losses[-20:]) / 20)

model.eval()
right = seen = 0
with torch.no_grad():  # Q9
    for x, y in test_loader:
        right += (model(x.to(device)).argmax(1).cpu() == y).sum().item()
        seen += len(y)
print("accuracy: %.2f%%" % (100.0 * right / seen))

plt.plot(losses)
plt.savefig("loss.png")
