# David Mensah, HW 6
import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision
import torchvision.transforms as transforms
import matplotlib.pyplot as plt

# Q1
device = torch.device("cuda:0") if torch.cuda.is_available() else torch.device("cpu")

transform = transforms.Compose(
    [transforms.ToTensor(), transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))])

# Q2
batch_size = 16

trainset = torchvision.datasets.CIFAR10(root='./data', train=True, download=True, transform=transform)
trainloader = torch.utils.data.DataLoader(trainset, batch_size=batch_size, shuffle=True)
testset = torchvision.datasets.CIFAR10(root='./data', train=False, download=True, transform=transform)
testloader = torch.utils.data.DataLoader(testset, batch_size=4, shuffle=False)


class Block(nn.Module):

    def __init__(self, in_planes, planes):
        super(Block, self).__init__()
        self.shrink = in_planes != planes
        self.bn1 = nn.BatchNorm2d(in_planes)
        self.conv1 = nn.Conv2d(in_planes, planes, 3, 2 if self.shrink else 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        if self.shrink:
            self.conv_skip = nn.Conv2d(in_planes, planes, 1, 2, bias=False)

    def forward(self, x):
        h = F.relu(self.bn1(x))
        skip = self.conv_skip(h) if self.shrink else x
        h = self.conv1(h)
        h = F.relu(self.bn2(h))
        h = self.conv2(h)
        return h + skip


class IdentityResNet(nn.Module):

    def __init__(self, nblk_stage1, nblk_stage2, nblk_stage3, nblk_stage4):
        super(IdentityResNet, self).__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        self.stage1 = self.stage(64, 64, nblk_stage1)
        self.stage2 = self.stage(64, 128, nblk_stage2)
        self.stage3 = self.stage(128, 256, nblk_stage3)
        self.stage4 = self.stage(256, 512, nblk_stage4)
        self.linear = nn.Linear(512, 10)

    def stage(self, before, after, count):
        planes = [before] + [after] * count
        return nn.Sequential(*[Block(a, b) for a, b in zip(planes, planes[1:])])

    def forward(self, x):
        x = self.conv1(x)
        x = self.stage1(x)
        x = self.stage2(x)
        x = self.stage3(x)
        x = self.stage4(x)
        x = F.avg_pool2d(x, kernel_size=4, stride=4)
        return self.linear(x.reshape(x.shape[0], 512))


# Q3
net = IdentityResNet(2, 2, 2, 2)
net.to(device)

criterion = nn.CrossEntropyLoss()

# Q4
optimizer = torch.optim.SGD(net.parameters(), momentum=0.9, lr=0.001)

# train until nothing is wrong any more
epoch = 0
wrong = 0
while True:
    net.train()
    for i, (images, labels) in enumerate(trainloader):
        images = images.to(device)
        labels = labels.to(device)
        # Q5
        net.zero_grad()
        # Q6
        outputs = net(images)
        loss = criterion(outputs, labels)
        # Q7
        loss.backward()
        # Q8
        optimizer.step()
        wrong += (outputs.argmax(1) != labels).sum()
        if i % 10 == 9:
            print('[%d, %5d] loss: %.3f' % (epoch + 1, i + 1, loss.item()))
    epoch += 1
    if wrong == 0:
        break

print('Finished Training')

net.eval()
correct = 0
total = 0
# Q9
with torch.no_grad():
    for images, labels in testloader:
        predicted = net(images.to(device)).argmax(1)
        correct += (predicted == labels.to(device)).sum().item()
        total += labels.size(0)
print('Accuracy: %d %%' % (100 * correct / total))

plt.figure()
plt.bar(['right', 'wrong'], [correct, total - correct])
plt.show()
