# Homework 6 - Ines Carvalho
# IdentityResNet, skip connection option B (1x1 convolution)

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
import torchvision
import torchvision.transforms as transforms

# Q1: which device
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
print("running on", device)

# Q2: batch size
batch_size = 16

transform = transforms.Compose(
    [transforms.ToTensor(), transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))]
)

trainset = torchvision.datasets.CIFAR10(root="./data", train=True, download=True, transform=transform)
trainloader = torch.utils.data.DataLoader(trainset, batch_size=batch_size, shuffle=True)
testset = torchvision.datasets.CIFAR10(root="./data", train=False, download=True, transform=transform)
testloader = torch.utils.data.DataLoader(testset, batch_size=batch_size, shuffle=False)

classes = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


class Block(nn.Module):
    """BN - ReLU - conv, twice, plus the input."""

    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, stride=1, padding=1)
        if stride != 1:
            self.skip = nn.Conv2d(in_channels, out_channels, 1, stride=stride)
        else:
            self.skip = None

    def forward(self, x):
        a = F.relu(self.bn1(x))
        y = self.conv1(a)
        y = self.conv2(F.relu(self.bn2(y)))
        if self.skip is not None:
            return y + self.skip(a)
        return y + x


class IdentityResNet(nn.Module):
    def __init__(self, nblk_stage1, nblk_stage2, nblk_stage3, nblk_stage4):
        super().__init__()
        self.conv = nn.Conv2d(3, 64, 3, stride=1, padding=1)
        self.stage1 = self.make_stage(64, 64, nblk_stage1, 1)
        self.stage2 = self.make_stage(64, 128, nblk_stage2, 2)
        self.stage3 = self.make_stage(128, 256, nblk_stage3, 2)
        self.stage4 = self.make_stage(256, 512, nblk_stage4, 2)
        self.pool = nn.AvgPool2d(4, stride=4)
        self.fc = nn.Linear(512, 10)

    def make_stage(self, in_channels, out_channels, n, stride):
        blocks = [Block(in_channels, out_channels, stride)]
        for _ in range(n - 1):
            blocks.append(Block(out_channels, out_channels))
        return nn.Sequential(*blocks)

    def forward(self, x):
        x = self.conv(x)
        x = self.stage1(x)
        x = self.stage2(x)
        x = self.stage3(x)
        x = self.stage4(x)
        x = self.pool(x)
        x = torch.flatten(x, 1)
        return self.fc(x)


# Q3: the model goes to the device
net = IdentityResNet(2, 2, 2, 2).to(device)
print(sum(p.numel() for p in net.parameters()), "parameters")

criterion = nn.CrossEntropyLoss()

# Q4: optimizer
optimizer = optim.SGD(net.parameters(), lr=0.001, momentum=0.9)

history = []
for epoch in range(5):
    net.train()
    running = 0.0
    for i, (images, labels) in enumerate(trainloader):
        images, labels = images.to(device), labels.to(device)

        optimizer.zero_grad()  # Q5
        outputs = net(images)  # Q6
        loss = criterion(outputs, labels)
        loss.backward()  # Q7
        optimizer.step()  # Q8

        running += loss.item()
        if i % 10 == 9:
            print(f"epoch {epoch + 1}, batch {i + 1}: loss {running / 10:.3f}")
            history.append(running / 10)
            running = 0.0

print("training is done")

# Test
net.eval()
correct_of = np.zeros(10)
total_of = np.zeros(10)
with torch.no_grad():  # Q9
    for images, labels in testloader:
        images, labels = images.to(device), labels.to(device)
        predicted = net(images).argmax(dim=1)
        for label, guess in zip(labels.tolist(), predicted.tolist()):
            total_of[label] += 1
            correct_of[label] += label == guess

for i in range(10):
    print(f"{classes[i]:>6}: {100 * correct_of[i] / total_of[i]:.1f} %")
print(f"all images: {100 * correct_of.sum() / total_of.sum():.1f} %")

plt.plot(history)
plt.xlabel("tens of batches")
plt.ylabel("loss")
plt.show()
