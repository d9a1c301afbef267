import matplotlib.pyplot as plt
import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision
import torchvision.transforms as transforms

#-- Q1 ---------------------------------------------
device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")

#-- Q2 ---------------------------------------------
batch_size = 8

transform = transforms.Compose(
    [transforms.ToTensor(),
     transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))])

trainset = torchvision.datasets.CIFAR10(root='./data', train=True, download=True, transform=transform)
trainloader = torch.utils.data.DataLoader(trainset, batch_size=batch_size, shuffle=True, num_workers=2)
testset = torchvision.datasets.CIFAR10(root='./data', train=False, download=True, transform=transform)
testloader = torch.utils.data.DataLoader(testset, batch_size=4, shuffle=False, num_workers=2)

classes = ('plane', 'car', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck')


class ResidualBlock(nn.Module):
    def __init__(self, nin, nout, down=False):
        super().__init__()
        self.down = down
        step = 2 if down else 1
        self.norm_a = nn.BatchNorm2d(nin)
        self.conv_a = nn.Conv2d(nin, nout, (3, 3), stride=step, padding=1)
        self.norm_b = nn.BatchNorm2d(nout)
        self.conv_b = nn.Conv2d(nout, nout, (3, 3), stride=1, padding=1)
        if down:
            self.match = nn.Conv2d(nin, nout, (1, 1), stride=2)

    def forward(self, x):
        out = self.conv_a(F.relu(self.norm_a(x)))
        out = self.conv_b(F.relu(self.norm_b(out)))
        if self.down:
            x = self.match(x)
        return out + x


class IdentityResNet(nn.Module):
    def __init__(self, nblk_stage1, nblk_stage2, nblk_stage3, nblk_stage4):
        super(IdentityResNet, self).__init__()
        self.first = nn.Conv2d(3, 64, (3, 3), stride=1, padding=1)
        self.stage1 = nn.ModuleList([ResidualBlock(64, 64) for _ in range(nblk_stage1)])
        self.stage2 = nn.ModuleList([ResidualBlock(64, 128, True)] + [ResidualBlock(128, 128) for _ in range(nblk_stage2 - 1)])
        self.stage3 = nn.ModuleList([ResidualBlock(128, 256, True)] + [ResidualBlock(256, 256) for _ in range(nblk_stage3 - 1)])
        self.stage4 = nn.ModuleList([ResidualBlock(256, 512, True)] + [ResidualBlock(512, 512) for _ in range(nblk_stage4 - 1)])
        self.last = nn.Linear(512, 10)

    def forward(self, x):
        out = self.first(x)
        for stage in (self.stage1, self.stage2, self.stage3, self.stage4):
            for block in stage:
                out = block(out)
        out = F.avg_pool2d(out, 4, 4)
        return self.last(out.view(-1, 512))


#-- Q3 ---------------------------------------------
net = IdentityResNet(2, 2, 2, 2)
net = net.to(device)

criterion = nn.CrossEntropyLoss()

#-- Q4 ---------------------------------------------
optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

for epoch in range(5):
    running_loss = 0.0
    for i, data in enumerate(trainloader, 0):
        inputs, labels = data
        inputs, labels = inputs.to(device), labels.to(device)

        #-- Q5, Q6 ---------------------------------
        outputs = net(inputs)

        loss = criterion(outputs, labels)

        #-- Q7 -------------------------------------
        loss.backward()

        #-- Q8 -------------------------------------
        optimizer.step()

        running_loss += loss.item()
        if i % 25 == 24:
            print('epoch %d batch %d: %.3f' % (epoch + 1, i + 1, running_loss / 25))
            running_loss = 0.0

print('Finished Training')

class_correct = list(0. for _ in range(10))
class_total = list(0. for _ in range(10))

#-- Q9 ---------------------------------------------
with torch.no_grad():
    for images, labels in testloader:
        images, labels = images.to(device), labels.to(device)
        predicted = torch.argmax(net(images), dim=1)
        for label, hit in zip(labels, predicted == labels):
            class_correct[label] += hit.item()
            class_total[label] += 1

for k in range(10):
    print('%5s: %2d %%' % (classes[k], 100 * class_correct[k] / class_total[k]))
print('Accuracy of the network on the test images: %d %%' % (100 * sum(class_correct) / sum(class_total)))
