import torch, torchvision
import torch.nn as nn
from torchvision import transforms
import matplotlib.pyplot as plt

# Q1
device = "cuda" if torch.cuda.is_available() else "cpu"
# Q2
BATCH_SIZE = 32
LR = 0.05
EPOCHS = 10

tf_train = transforms.Compose([
        transforms.RandomHorizontalFlip(),
        transforms.RandomCrop(32, padding=4),
        transforms.ToTensor(),
        transforms.Normalize([0.49, 0.48, 0.45], [0.25, 0.24, 0.26])
    ])
tf_test = transforms.Compose([
        transforms.ToTensor(),
        transforms.Normalize([0.49, 0.48, 0.45], [0.25, 0.24, 0.26])
    ])

train_ds = torchvision.datasets.CIFAR10("./data", train=True, download=True, transform=tf_train)
test_ds = torchvision.datasets.CIFAR10("./data", train=False, download=True, transform=tf_test)
train_dl = torch.utils.data.DataLoader(train_ds, batch_size=BATCH_SIZE, shuffle=True)
test_dl = torch.utils.data.DataLoader(test_ds, batch_size=BATCH_SIZE)


def conv_bn(n_in, n_out, k, s):
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, kernel_size=k, stride=s, padding=k // 2, bias=False),
        nn.BatchNorm2d(n_out)
    )


class ResBlock(nn.Module):
    def __init__(self, n_in, n_out, s=1):
        super().__init__()
        self.first = conv_bn(n_in, n_out, 3, s)
        self.second = conv_bn(n_out, n_out, 3, 1)
        self.skip = conv_bn(n_in, n_out, 1, s) if n_in != n_out else nn.Identity()
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.act(self.second(self.act(self.first(x))) + self.skip(x))


class ResNet20(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.stem = nn.Sequential(conv_bn(3, 16, 3, 1), nn.ReLU(inplace=True))
        self.stage1 = nn.Sequential(ResBlock(16, 16), ResBlock(16, 16), ResBlock(16, 16))
        self.stage2 = nn.Sequential(ResBlock(16, 32, 2), ResBlock(32, 32), ResBlock(32, 32))
        self.stage3 = nn.Sequential(ResBlock(32, 64, 2), ResBlock(64, 64), ResBlock(64, 64))
        self.pool = nn.AdaptiveAvgPool2d((1, 1))
        self.classifier = nn.Linear(64, num_classes)
        self.apply(self.initialize)

    @staticmethod
    def initialize(m):
        if type(m) is nn.Conv2d:
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
        elif type(m) is nn.BatchNorm2d:
            nn.init.constant_(m.weight, 1.0)
            nn.init.constant_(m.bias, 0.0)

    def forward(self, x):
        x = self.stem(x)
        x = self.stage1(x)
        x = self.stage2(x)
        x = self.stage3(x)
        x = self.pool(x)
        return self.classifier(x)


# Q3
model = ResNet20().to(device)
# Q4
optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=0.9, weight_decay=1e-4)
criterion = nn.CrossEntropyLoss()

hist = {"train_loss": [], "test_loss": [], "accuracy": []}
for epoch in range(EPOCHS):
    model.train()
    total = 0
    for xb, yb in train_dl:
        xb, yb = xb.to(device), yb.to(device)
        optimizer.zero_grad()       # Q5
        out = model(xb)             # Q6
        loss = criterion(out, yb)
        loss.backward()             # Q7
        optimizer.step()            # Q8
        total += loss.item() * xb.shape[0]
    hist["train_loss"].append(total / len(train_ds))

    model.eval()
    total, correct = 0, 0
    with torch.no_grad():           # Q9
        for xb, yb in test_dl:
            xb, yb = xb.to(device), yb.to(device)
            out = model(xb)
            total += criterion(out, yb).item() * xb.shape[0]
            correct += (out.argmax(-1) == yb).sum().item()
    hist["test_loss"].append(total / len(test_ds))
    hist["accuracy"].append(100 * correct / len(test_ds))
    print({k: v[-1] for k, v in hist.items()})

with open("history.csv", "w") as f:
    f.write("epoch,train_loss,test_loss,accuracy\n")
    for i in range(EPOCHS):
        f.write(",".join([str(i + 1)] + ["%.4f" % hist[k][i] for k in hist]) + "\n")

plt.plot(hist["accuracy"])
plt.show()
