import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
import torchvision
import torchvision.transforms as transforms

# Q1
device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")

# Q2
batch_size = 16

transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))])
trainset = torchvision.datasets.CIFAR10(root="./data", train=True, download=True, transform=transform)
trainloader = torch.utils.data.DataLoader(trainset, batch_size=batch_size, shuffle=True)
testset = torchvision.datasets.CIFAR10(root="./data", train=False, download=True, transform=transform)
testloader = torch.utils.data.DataLoader(testset, batch_size=4, shuffle=False)


class Block(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.same = cin == cout
        self.bn1 = nn.BatchNorm2d(cin)
        self.conv1 = nn.Conv2d(cin, cout, 3, stride=stride, padding=1)
        self.bn2 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, stride=1, padding=1)
        if not self.same:
            self.match = nn.Conv2d(cin, cout, 1, stride=stride)

    def forward(self, x):
        a = F.relu(self.bn1(x))
        out = self.conv1(a)
        out = F.relu(self.bn2(out))
        out = self.conv2(out)
        skip = x if self.same else self.match(x)
        out = out + skip
        return out


class IdentityResNet(nn.Module):
    def __init__(self, nblk_stage1, nblk_stage2, nblk_stage3, nblk_stage4):
        super().__init__()
        self.conv = nn.Conv2d(3, 64, 3, stride=1, padding=1)
        self.stage1 = self.stage(64, 64, nblk_stage1, 1)
        self.stage2 = self.stage(64, 128, nblk_stage2, 2)
        self.stage3 = self.stage(128, 256, nblk_stage3, 2)
        self.stage4 = self.stage(256, 512, nblk_stage4, 2)
        self.pool = nn.AvgPool2d(4, stride=4)
        self.fc = nn.Linear(512, 10)

    def stage(self, cin, cout, count, stride):
        blocks = [Block(cin, cout, stride)]
        blocks += [Block(cout, cout, 1) for _ in range(count - 1)]
        return nn.Sequential(*blocks)

    def forward(self, x):
        x = self.conv(x)
        x = self.stage1(x)
        x = self.stage2(x)
        x = self.stage3(x)
        x = self.stage4(x)
        x = self.pool(x)
        x = x.view(x.size(0), -1)
        return self.fc(x)


# Q3
net = IdentityResNet(2, 2, 2, 2).to(device)

criterion = nn.CrossEntropyLoss()

# Q4
optimizer = optim.SGD(net.parameters(), lr=0.001, momentum=0.9)

for epoch in range(5):
    net.train()
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
    print(epoch, loss.item())

net.eval()
correct, total = 0, 0
# Q9
with torch.no_grad():
    for images, labels in testloader:
        outputs = net(images.to(device))
        correct += (outputs.argmax(1) == labels.to(device)).sum().item()
        total += labels.size(0)
print(f"{100 * correct / total} %")
