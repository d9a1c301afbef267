import csv
import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision
import torchvision.transforms as T
import matplotlib.pyplot as plt

# ---- Q1 ----
DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
# ---- Q2 ----
BATCH = 32

norm = T.Normalize((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
aug = T.Compose([T.RandomCrop(32, 4), T.RandomHorizontalFlip(), T.ToTensor(), norm])
plain = T.Compose([T.ToTensor(), norm])
train_data = torchvision.datasets.CIFAR10('./data', train=True, transform=aug, download=True)
test_data = torchvision.datasets.CIFAR10('./data', train=False, transform=plain, download=True)
train_loader = torch.utils.data.DataLoader(train_data, BATCH, shuffle=True, num_workers=2)
test_loader = torch.utils.data.DataLoader(test_data, BATCH, num_workers=2)


def conv3x3(cin, cout, stride=1):
    return nn.Conv2d(cin, cout, 3, stride, 1, bias=False)


class Block(nn.Module):

    def __init__(self, cin, cout, stride=1):
        super(Block, self).__init__()
        self.residual = nn.Sequential(
            conv3x3(cin, cout, stride), nn.BatchNorm2d(cout), nn.ReLU(),
            conv3x3(cout, cout), nn.BatchNorm2d(cout),
        )
        # 1x1 so that the channels always fit
        self.shortcut = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x):
        return F.relu(self.residual(x) + self.shortcut(x))


class ResNet20(nn.Module):

    def __init__(self, num_classes=10):
        super(ResNet20, self).__init__()
        self.stem = nn.Sequential(conv3x3(3, 16), nn.BatchNorm2d(16), nn.ReLU())
        self.stages = nn.Sequential(
            Block(16, 16), Block(16, 16), Block(16, 16),
            Block(16, 32, 2), Block(32, 32), Block(32, 32),
            Block(32, 64, 2), Block(64, 64), Block(64, 64),
        )
        self.head = nn.Linear(64, num_classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode='fan_out', nonlinearity='relu')
            if isinstance(layer, nn.BatchNorm2d):
                nn.init.ones_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, x):
        x = self.stages(self.stem(x))
        x = x.mean(dim=(2, 3))
        return self.head(x)


# ---- Q3 ----
model = ResNet20().to(DEVICE)
loss_fn = nn.CrossEntropyLoss()
# ---- Q4 ----
opt = torch.optim.SGD(model.parameters(), lr=0.004, momentum=0.9)

log = open('history.csv', 'w', newline='')
out = csv.DictWriter(log, ['epoch', 'train_loss', 'test_loss', 'accuracy'])
out.writeheader()
acc_list = []

for ep in range(1, 11):
    model.train()
    tr, n = 0.0, 0
    for x, y in train_loader:
        x, y = x.to(DEVICE), y.to(DEVICE)
        opt.zero_grad()          # Q5
        pred = model(x)          # Q6
        loss = loss_fn(pred, y)
        loss.backward()          # Q7
        opt.step()               # Q8
        tr += loss.item() * len(x)
        n += len(x)

    model.eval()
    te, hit, m = 0.0, 0, 0
    with torch.no_grad():        # Q9
        for x, y in test_loader:
            x, y = x.to(DEVICE), y.to(DEVICE)
            pred = model(x)
            te += loss_fn(pred, y).item() * len(x)
            hit += int((pred.argmax(1) == y).sum())
            m += len(x)

    acc_list.append(100 * hit / m)
    out.writerow({'epoch': ep, 'train_loss': tr / max(n, 1), 'test_loss': te / m, 'accuracy': acc_list[-1]})
    print('epoch', ep, 'accuracy', acc_list[-1])

log.close()
plt.plot(range(1, 11), acc_list)
plt.show()
