# ResNet-20 on CIFAR-10, ten epochs
import csv

import matplotlib.pyplot as plt
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
import torchvision
import torchvision.transforms as transforms

# Q1
device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")

# Q2
batch_size = 64

mean, std = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
train_transform = transforms.Compose([
    transforms.RandomCrop(32, padding=4),
    transforms.RandomHorizontalFlip(),
    transforms.ToTensor(),
    transforms.Normalize(mean, std),
])
test_transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(mean, std)])
trainset = torchvision.datasets.CIFAR10(root="./data", train=True, download=True, transform=train_transform)
trainloader = torch.utils.data.DataLoader(trainset, batch_size=batch_size, shuffle=True)
testset = torchvision.datasets.CIFAR10(root="./data", train=False, download=True, transform=test_transform)
testloader = torch.utils.data.DataLoader(testset, batch_size=100, shuffle=False)


class BasicBlock(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, stride=1, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.changes = stride != 1 or cin != cout
        if self.changes:
            self.match = nn.Sequential(nn.Conv2d(cin, cout, 1, stride=stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        shortcut = self.match(x) if self.changes else x
        out = out + shortcut
        return F.relu(out)


class ResNet20(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, stride=1, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(16)
        self.layer1 = self.make_layer(16, 16, 3, 1)
        self.layer2 = self.make_layer(16, 32, 3, 2)
        self.layer3 = self.make_layer(32, 64, 3, 2)
        self.pool = nn.AvgPool2d(8)
        self.fc = nn.Linear(64, num_classes)
        self.init_weights()

    def make_layer(self, cin, cout, count, stride):
        blocks = [BasicBlock(cin, cout, stride)]
        for _ in range(count - 1):
            blocks.append(BasicBlock(cout, cout, 1))
        return nn.Sequential(*blocks)

    def init_weights(self):
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, nn.BatchNorm2d):
                nn.init.constant_(m.weight, 1)
                nn.init.constant_(m.bias, 0)

    def forward(self, x):
        x = F.relu(self.bn(self.conv(x)))
        x = self.layer1(x)
        x = self.layer2(x)
        x = self.layer3(x)
        x = self.pool(x)
        x = x.view(x.size(0), -1)
        return self.fc(x)


# Q3
net = ResNet20().to(device)

criterion = nn.CrossEntropyLoss()

# Q4
optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)


def train():
    net.train()
    total = 0.0
    for images, labels in trainloader:
        images, labels = images.to(device), labels.to(device)
        # Q5
        optimizer.zero_grad()
        # Q6
        outputs = net(images)
        loss = criterion(outputs, labels)
        # Q7
        loss.backward()
        # Q8
        optimizer.step()
        total += loss.item() * images.size(0)
    return total / len(trainset)


def test():
    net.eval()
    total, correct = 0.0, 0
    # Q9
    with torch.no_grad():
        for images, labels in testloader:
            images, labels = images.to(device), labels.to(device)
            scores = net(images)
            total += criterion(scores, labels).item() * images.size(0)
            correct += (scores.argmax(1) == labels).sum().item()
    return total / len(testset), 100.0 * correct / len(testset)


history = []
for epoch in range(10):
    train_loss = train()
    test_loss, accuracy = test()
    history.append((epoch + 1, train_loss, test_loss, accuracy))
    print("epoch %d: %.4f %.4f %.2f" % history[-1])

with open("history.csv", "w", newline="") as f:
    writer = csv.writer(f)
    writer.writerow(["epoch", "train_loss", "test_loss", "accuracy"])
    writer.writerows(history)

plt.plot([row[0] for row in history], [row[3] for row in history])
plt.xlabel("epoch")
plt.ylabel("accuracy")
plt.show()
