import torch
import torch.nn as nn
import torchvision
import torchvision.transforms as T
import matplotlib
matplotlib.use('Agg')
import matplotlib.pyplot as plt

def get_device():
    if torch.cuda.is_available():
        return torch.device('cuda')
    return torch.device('cpu')

device = get_device()    # Q1
batch_size = 16          # Q2
lr = 0.001

tf = T.Compose([T.ToTensor(), T.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))])
train = torchvision.datasets.CIFAR10('./data', train=True, transform=tf, download=True)
test = torchvision.datasets.CIFAR10('./data', train=False, transform=tf, download=True)
train_loader = torch.utils.data.DataLoader(train, batch_size, shuffle=True)
test_loader = torch.utils.data.DataLoader(test, batch_size, shuffle=False)


class BasicBlock(nn.Module):
    def __init__(self, in_ch, out_ch, stride=1):
        super().__init__()
        self.relu = nn.ReLU()
        self.bn1 = nn.BatchNorm2d(in_ch)
        self.conv1 = nn.Conv2d(in_ch, out_ch, 3, stride=stride, padding=1)
        self.bn2 = nn.BatchNorm2d(out_ch)
        self.conv2 = nn.Conv2d(out_ch, out_ch, 3, stride=1, padding=1)
        self.shortcut = nn.Sequential()
        if stride == 2:
            self.shortcut = nn.Conv2d(in_ch, out_ch, 1, stride=2)

    def forward(self, x):
        out = self.conv1(self.relu(self.bn1(x)))
        out = self.conv2(self.relu(self.bn2(out)))
        return out + self.shortcut(x)


class IdentityResNet(nn.Module):
    def __init__(self, nblk_stage1, nblk_stage2, nblk_stage3, nblk_stage4):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, stride=1, padding=1)
        self.stage1 = self._stage(64, 64, nblk_stage1, 1)
        self.stage2 = self._stage(64, 128, nblk_stage2, 2)
        self.stage3 = self._stage(128, 256, nblk_stage3, 2)
        self.stage4 = self._stage(256, 512, nblk_stage4, 2)
        self.avgpool = nn.AvgPool2d(2, stride=2)
        self.fc = nn.Linear(512, 10)

    def _stage(self, in_ch, out_ch, n, stride):
        return nn.Sequential(BasicBlock(in_ch, out_ch, stride), *(BasicBlock(out_ch, out_ch) for _ in range(n - 1)))

    def forward(self, x):
        x = self.conv1(x)
        x = self.stage4(self.stage3(self.stage2(self.stage1(x))))
        x = self.avgpool(x)
        x = x.view(x.size(0), -1)
        return self.fc(x)


net = IdentityResNet(2, 2, 2, 2).to(device)    # Q3
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9)    # Q4

curve = []
for epoch in range(5):
    net.train()
    total = 0.0
    for x, y in train_loader:
        x, y = x.to(device), y.to(device)
        optimizer.zero_grad()      # Q5
        out = net(x)               # Q6
        loss = criterion(out, y)
        loss.backward()            # Q7
        optimizer.step()           # Q8
        total += loss.item()
    curve.append(total / len(train_loader))
    print('epoch', epoch + 1, 'loss', curve[-1])

plt.plot(range(1, 6), curve)
plt.show()

net.eval()
hits = 0
with torch.no_grad():              # Q9
    for x, y in test_loader:
        hits += (net(x.to(device)).argmax(1) == y.to(device)).sum().item()
print('accuracy', hits / len(test))
