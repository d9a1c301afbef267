import torch
import torchvision
import torchvision.transforms as transforms
import matplotlib.pyplot as plt
import numpy as np
import torch.nn as nn
import torch.optim as optim

# Q1
dev = torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')
print('current device:', dev)

# Q2
BATCH = 32

transform = transforms.Compose([
    transforms.ToTensor(),
    transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
])

train_data = torchvision.datasets.CIFAR10(root='./data', train=True, download=True, transform=transform)
train_loader = torch.utils.data.DataLoader(train_data, batch_size=BATCH, shuffle=True, num_workers=2)
test_data = torchvision.datasets.CIFAR10(root='./data', train=False, download=True, transform=transform)
test_loader = torch.utils.data.DataLoader(test_data, batch_size=4, shuffle=False, num_workers=2)

names = ('plane', 'car', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck')


def imshow(img):
    img = img / 2 + 0.5
    plt.imshow(np.transpose(img.numpy(), (1, 2, 0)))
    plt.show()


images, labels = next(iter(test_loader))
imshow(torchvision.utils.make_grid(images))
print(' '.join(names[int(l)] for l in labels))


def branch(cin, cout, stride):
    return nn.Sequential(
        nn.BatchNorm2d(cin), nn.ReLU(),
        nn.Conv2d(cin, cout, kernel_size=3, stride=stride, padding=1),
        nn.BatchNorm2d(cout), nn.ReLU(),
        nn.Conv2d(cout, cout, kernel_size=3, stride=1, padding=1),
    )


class Residual(nn.Module):
    def __init__(self, cin, cout, stride):
        super(Residual, self).__init__()
        self.branch = branch(cin, cout, stride)
        self.project = nn.Identity() if stride == 1 else nn.Conv2d(cin, cout, kernel_size=1, stride=stride)

    def forward(self, x):
        return self.branch(x) + self.project(x)


class IdentityResNet(nn.Module):
    def __init__(self, nblk_stage1, nblk_stage2, nblk_stage3, nblk_stage4):
        super(IdentityResNet, self).__init__()
        layers = [nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=1)]
        counts = [nblk_stage1, nblk_stage2, nblk_stage3, nblk_stage4]
        cin = 64
        for stage, n in enumerate(counts):
            cout = 64 * 2 ** stage
            for k in range(n):
                layers.append(Residual(cin, cout, 2 if stage > 0 and k == 0 else 1))
                cin = cout
        self.features = nn.Sequential(*layers)
        self.pool = nn.AvgPool2d(kernel_size=4, stride=4)
        self.classifier = nn.Linear(512, 10)

    def forward(self, x):
        x = self.pool(self.features(x))
        x = x.view(x.size(0), -1)
        return self.classifier(x)


net = IdentityResNet(2, 2, 2, 2)
# Q3
net.to(dev)

criterion = nn.CrossEntropyLoss()
# Q4
# a small step is the safe choice
optimizer = optim.SGD(net.parameters(), lr=0.0001, momentum=0.9)

for epoch in range(5):
    running_loss = 0.0
    for i, data in enumerate(train_loader, 0):
        inputs, targets = data[0].to(dev), data[1].to(dev)
        # Q5
        optimizer.zero_grad()
        # Q6
        outputs = net(inputs)
        loss = criterion(outputs, targets)
        # Q7
        loss.backward()
        # Q8
        optimizer.step()
        running_loss += loss.item()
        if (i + 1) % 5 == 0:
            print('[%d, %3d] loss: %.3f' % (epoch + 1, i + 1, running_loss / 5))
            running_loss = 0.0

print('Finished Training')

class_correct = [0.0] * 10
class_total = [0.0] * 10
# Q9
with torch.no_grad():
    for data in test_loader:
        images, labels = data[0].to(dev), data[1].to(dev)
        _, predicted = torch.max(net(images), 1)
        c = (predicted == labels)
        for j in range(4):
            class_correct[labels[j]] += c[j].item()
            class_total[labels[j]] += 1

for j in range(10):
    print('Accuracy of %5s : %2d %%' % (names[j], 100 * class_correct[j] / class_total[j]))
print('Accuracy on the test images: %d %%' % (100 * sum(class_correct) / sum(class_total)))
