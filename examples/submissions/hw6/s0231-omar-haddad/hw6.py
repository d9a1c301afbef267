# CIFAR-10 with IdentityResNet
# Omar Haddad

import matplotlib.pyplot as plt
import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision
import torchvision.transforms as transforms

# Q1. device
device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")

# Q2. batch size
batch_size = 32

transform = transforms.Compose([
    transforms.ToTensor(),
    transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
])

trainset = torchvision.datasets.CIFAR10(root="./data", train=True, download=True, transform=transform)
trainloader = torch.utils.data.DataLoader(trainset, batch_size=batch_size, shuffle=True)
testset = torchvision.datasets.CIFAR10(root="./data", train=False, download=True, transform=transform)
testloader = torch.utils.data.DataLoader(testset, batch_size=batch_size, shuffle=False)


class Block(nn.Module):
    def __init__(self, cin, cout, stride=1):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(cin)
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1)
        self.bn2 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1)
        self.proj = nn.Conv2d(cin, cout, 1, stride) if cin != cout else None

    def forward(self, x):
        y = self.conv1(F.relu(self.bn1(x)))
        y = self.conv2(F.relu(self.bn2(y)))
        if self.proj is not None:
            x = self.proj(x)
        return x + y


class IdentityResNet(nn.Module):
    def __init__(self, nblk_stage1, nblk_stage2, nblk_stage3, nblk_stage4):
        super(IdentityResNet, self).__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, 1, 1)
        blocks = []
        channels = 64
        for n, width in zip((nblk_stage1, nblk_stage2, nblk_stage3, nblk_stage4), (64, 128, 256, 512)):
            for _ in range(n):
                blocks.append(Block(channels, width, 1 if channels == width else 2))
                channels = width
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(512, 10)

    def forward(self, x):
        x = self.blocks(self.conv1(x))
        x = F.avg_pool2d(x, 4, 4)
        x = x.view(x.size(0), -1)
        return self.fc(x)


# Q3. model to the device
model = IdentityResNet(2, 2, 2, 2).to(device)

criterion = nn.CrossEntropyLoss()

# Q4. optimizer: SGD, momentum 0.9
optimizer = ...

for epoch in range(5):
    for i, (inputs, labels) in enumerate(trainloader):
        inputs, labels = inputs.to(device), labels.to(device)

        # Q5. zero the gradients
        ...

        # Q6. forward
        outputs = model(inputs)
        loss = criterion(outputs, labels)

        # Q7. backward
        ...

        # Q8. one step of the optimizer
        ...

        if i % 10 == 0:
            print(epoch, i, loss.item())

model.eval()
correct = 0
total = 0

# Q9. no graphs while testing
with torch.no_grad():
    for inputs, labels in testloader:
        outputs = model(inputs.to(device))
        correct += (outputs.argmax(1) == labels.to(device)).sum().item()
        total += labels.size(0)

print("Accuracy: %.1f %%" % (100 * correct / total))
