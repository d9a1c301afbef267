# Mateo Silva - homework ResNet-20

import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision
import torchvision.transforms as transforms
import matplotlib.pyplot as plt
import csv

device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu") #Q1
batch_size = 16 #Q2

mean = [0.4914, 0.4822, 0.4465]
std = [0.2470, 0.2435, 0.2616]

trainset = torchvision.datasets.CIFAR10(root="./data", train=True, download=True, transform=transforms.Compose([
    transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(),
    transforms.ToTensor(), transforms.Normalize(mean, std)]))
testset = torchvision.datasets.CIFAR10(root="./data", train=False, download=True, transform=transforms.Compose([
    transforms.ToTensor(), transforms.Normalize(mean, std)]))
trainloader = torch.utils.data.DataLoader(trainset, batch_size=batch_size, shuffle=True)
testloader = torch.utils.data.DataLoader(testset, batch_size=batch_size, shuffle=False)


class ResidualBlock(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1):
        super(ResidualBlock, self).__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1   = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2   = nn.BatchNorm2d(out_channels)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != out_channels:
            self.shortcut.add_module("conv", nn.Conv2d(in_channels, out_channels, 1, stride, bias=False))
            self.shortcut.add_module("bn", nn.BatchNorm2d(out_channels))

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return F.relu(out)


class ResNet20(nn.Module):
    def __init__(self, num_classes=10):
        super(ResNet20, self).__init__()
        self.conv1  = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1    = nn.BatchNorm2d(16)
        self.stage1 = self._make_layer(16, 16, 3, 1)
        self.stage2 = self._make_layer(16, 32, 3, 2)
        self.stage3 = self._make_layer(32, 64, 3, 2)
        self.linear = nn.Linear(64, num_classes)
        self._initialize_weights()

    def _make_layer(self, in_channels, out_channels, blocks, stride):
        first = ResidualBlock(in_channels, out_channels, stride)
        rest  = [ResidualBlock(out_channels, out_channels)] * (blocks - 1)
        return nn.Sequential(first, *rest)

    def _initialize_weights(self):
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out")
            if isinstance(m, nn.BatchNorm2d):
                m.weight.data.fill_(1)
                m.bias.data.zero_()

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.stage1(out)
        out = self.stage2(out)
        out = self.stage3(out)
        out = F.avg_pool2d(out, 8)
        out = out.view(out.size(0), -1)
        return self.linear(out)


net = ResNet20().to(device) #Q3
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-4) #Q4

results = []
for epoch in range(10):
    net.train()
    running = 0.0
    for images, labels in trainloader:
        images = images.to(device)
        labels = labels.to(device)
        optimizer.zero_grad() #Q5
        outputs = net(images) #Q6
        loss = criterion(outputs, labels)
        loss.backward() #Q7
        optimizer.step() #Q8
        running += loss.item()
    running /= len(trainloader)

    correct = 0
    test_loss = 0.0
    with torch.no_grad(): #Q9
        for images, labels in testloader:
            images = images.to(device)
            labels = labels.to(device)
            outputs = net(images)
            test_loss += criterion(outputs, labels).item()
            correct += outputs.argmax(dim=1).eq(labels).sum().item()
    test_loss /= len(testloader)
    accuracy = 100.0 * correct / len(testset)
    results.append((epoch + 1, running, test_loss, accuracy))
    print("Epoch {}: train loss {:.4f}, test loss {:.4f}, accuracy {:.2f}%".format(*results[-1]))

with open("history.csv", "w", newline="") as f:
    w = csv.writer(f)
    w.writerow(("epoch", "train_loss", "test_loss", "accuracy"))
    w.writerows(results)

fig, (left, right) = plt.subplots(1, 2)
left.plot([r[1] for r in results], label="train")
left.plot([r[2] for r in results], label="test")
left.legend()
right.plot([r[3] for r in results])
plt.show()
