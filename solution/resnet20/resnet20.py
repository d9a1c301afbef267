# %% [markdown]
# # Homework: ResNet-20
#
# Build the smallest residual network of the paper that introduced them, with 272,474 parameters, train it on CIFAR-10
# for ten epochs, and write down after each how well it does. Over 75% of the 10,000 test pictures is the goal.
#
# Everything that is yours to write is a line with three dots, `...`, under a comment that says what belongs there:
# six places in the network, and nine questions around it, Q1 to Q9. The rest works as it is. The handout, `README.md`,
# has the drawings.
#
# On Google Colab, choose a GPU first: Runtime > Change runtime type.

# %%
import csv

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
import torchvision
import torchvision.transforms as transforms

torch.manual_seed(0)  # the same random numbers in every run

try:
    from tqdm.auto import tqdm
except ImportError:  # there is no progress bar then, and all else is the same

    def tqdm(batches, **options):
        return batches

# %% [markdown]
# ## Where, and how many at a time

# %%
# Q1. Where the network runs: on the GPU where there is one, on the CPU everywhere else. The name: device.
### BEGIN SOLUTION
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
### END SOLUTION
print(f"Q1: the device is {device}")

# Q2. How many pictures make a batch. The name: batch_size.
### BEGIN SOLUTION
batch_size = 128
### END SOLUTION
print(f"Q2: {batch_size} pictures make a batch")

# %% [markdown]
# ## The pictures
#
# CIFAR-10 has 50,000 pictures to train on and 10,000 to test on, in ten classes. The first run downloads 170 MB into
# `./data`. Training pictures are shifted by up to four pixels and mirrored at random, so that the network never sees
# quite the same picture twice. `Normalize` takes off each colour's mean and divides by its spread.

# %%
normalize = transforms.Normalize((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
shifted = transforms.Compose(
    [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), transforms.ToTensor(), normalize]
)
plain = transforms.Compose([transforms.ToTensor(), normalize])

trainset = torchvision.datasets.CIFAR10(root="./data", train=True, download=True, transform=shifted)
trainloader = torch.utils.data.DataLoader(trainset, batch_size=batch_size, shuffle=True)

testset = torchvision.datasets.CIFAR10(root="./data", train=False, download=True, transform=plain)
testloader = torch.utils.data.DataLoader(testset, batch_size=batch_size, shuffle=False)


# %% [markdown]
# ## The network
#
# A block computes ReLU(F(x) + shortcut(x)). F is 3x3 convolution, BN, ReLU, 3x3 convolution, BN; the ReLU that follows
# the addition is the block's last step. In most blocks the shortcut is x itself. The first block of the second and of
# the third stage halves height and width and doubles the channels, so its shortcut has to do the same.
#
# Shapes on the way, for a batch of N pictures: (N, 3, 32, 32), the first convolution with its BN and ReLU
# (N, 16, 32, 32), stage 1 (N, 16, 32, 32), stage 2 (N, 32, 16, 16), stage 3 (N, 64, 8, 8), average pooling
# (N, 64, 1, 1), linear layer (N, num_classes). No convolution has a bias: the BN behind it has one.

# %%
class ResidualBlock(nn.Module):
    """One residual block. It is here to help: divide the work otherwise, or rename it, if you like."""

    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        # The layers: two 3x3 convolutions without bias (the first one has the stride), a BN for each, and the shortcut:
        # a 1x1 convolution without bias and its BN where the shape changes, nothing at all where it stays.
        ### BEGIN SOLUTION
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )
        ### END SOLUTION

    def forward(self, x):
        # (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)
        ### BEGIN SOLUTION
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + self.shortcut(x))
        ### END SOLUTION


class ResNet20(nn.Module):
    """The network, for num_classes classes."""

    def __init__(self, num_classes=10):
        super().__init__()
        # The layers: the first convolution (3x3, 16 channels, no bias) and its BN, three stages of three blocks with
        # 16, 32 and 64 channels, average pooling to one number a channel, the linear layer. Then the initial weights.
        ### BEGIN SOLUTION
        self.conv = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(16)
        self.stage1 = self._make_layer(16, 16, blocks=3, stride=1)
        self.stage2 = self._make_layer(16, 32, blocks=3, stride=2)
        self.stage3 = self._make_layer(32, 64, blocks=3, stride=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(64, num_classes)
        self._initialize_weights()
        ### END SOLUTION

    def _make_layer(self, in_channels, out_channels, blocks, stride):
        # A stage: that many blocks, the first one with the stride and the change of channels.
        ### BEGIN SOLUTION
        first = ResidualBlock(in_channels, out_channels, stride)
        return nn.Sequential(first, *[ResidualBlock(out_channels, out_channels) for _ in range(blocks - 1)])
        ### END SOLUTION

    def _initialize_weights(self):
        # Every convolution: Kaiming normal (He), for the number of outputs (fan_out) and ReLU. Every BN: weight 1 and
        # bias 0. torch.nn.init has what it takes, and self.modules() goes through all layers.
        ### BEGIN SOLUTION
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
        ### END SOLUTION

    def forward(self, x):
        # (N, 3, 32, 32) -> (N, num_classes): a score for each class. No softmax: the loss has it.
        ### BEGIN SOLUTION
        x = F.relu(self.bn(self.conv(x)))
        x = self.stage1(x)
        x = self.stage2(x)
        x = self.stage3(x)
        x = self.pool(x)
        return self.linear(torch.flatten(x, 1))
        ### END SOLUTION


# %%
net = ResNet20()
parameters = sum(parameter.numel() for parameter in net.parameters())
assert parameters > 0, "ResNet20 has no layers yet; it comes before Q3"

# Q3. Put the network on the device. The name stays: net.
### BEGIN SOLUTION
net = net.to(device)
### END SOLUTION
print(f"Q3: {parameters:,} parameters on {next(net.parameters()).device}")

# %% [markdown]
# ## Training and testing

# %%
epochs = 10
criterion = nn.CrossEntropyLoss()

# Q4. Stochastic gradient descent over the network's parameters, with momentum 0.9 and a learning rate that you choose.
# The name: optimizer.
### BEGIN SOLUTION
optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)

# The rate climbs to 0.1 in the first fifth of all steps and falls to 0 in the rest.
steps = epochs * len(trainloader)
scheduler = optim.lr_scheduler.LambdaLR(
    optimizer, lambda step: float(np.interp(step / steps, [0.0, 0.2, 1.0], [0.1, 1.0, 0.0]))
)
### END SOLUTION
print(f"Q4: {optimizer}")


def train_one_epoch(epoch):
    """Go through all training pictures once; the mean loss of a picture."""
    net.train()
    total_loss = 0.0
    count = {"unit": " pictures", "unit_scale": batch_size}  # the bar counts pictures: so many a second
    for images, labels in tqdm(trainloader, desc=f"epoch {epoch} of {epochs}", mininterval=1, **count):
        images, labels = images.to(device), labels.to(device)

        # Q5. Set all gradients to zero: the last batch has left its own behind.
        ### BEGIN SOLUTION
        optimizer.zero_grad()
        ### END SOLUTION

        # Q6. The forward pass: what the network makes of the images. The name: outputs.
        ### BEGIN SOLUTION
        outputs = net(images)
        ### END SOLUTION
        loss = criterion(outputs, labels)  # Q6 gave the outputs

        # Q7. The backward pass: from the loss to the gradient of every parameter.
        ### BEGIN SOLUTION
        loss.backward()
        ### END SOLUTION

        # Q8. One step of the optimizer (and of a scheduler, if Q4 has made one).
        ### BEGIN SOLUTION
        optimizer.step()
        scheduler.step()
        ### END SOLUTION
        total_loss += loss.item() * len(images)
    return total_loss / len(trainset)


def test():
    """Go through all test pictures once; the mean loss of a picture, and the accuracy in percent."""
    net.eval()  # batch normalisation uses what it has learned, not the batch at hand
    total_loss, right = 0.0, 0
    # Q9. Testing needs no gradients. Make a context manager under which PyTorch builds no graph. The name: no_graphs.
    ### BEGIN SOLUTION
    no_graphs = torch.no_grad()
    ### END SOLUTION
    with no_graphs:  # Q9
        for images, labels in testloader:
            images, labels = images.to(device), labels.to(device)
            scores = net(images)
            total_loss += criterion(scores, labels).item() * len(images)
            right += (scores.argmax(dim=1) == labels).sum().item()
    return total_loss / len(testset), 100 * right / len(testset)


# %% [markdown]
# ## The epochs
#
# What comes of each epoch goes into `history.csv`, from which the report draws your curve.

# %%
history = [["epoch", "train_loss", "test_loss", "accuracy"]]
for epoch in range(1, epochs + 1):
    train_loss = train_one_epoch(epoch)
    test_loss, accuracy = test()
    history.append([epoch, f"{train_loss:.4f}", f"{test_loss:.4f}", f"{accuracy:.2f}"])
    with open("history.csv", "w", newline="") as file:
        csv.writer(file).writerows(history)
    print(f"epoch {epoch:2}: training loss {train_loss:.3f}, test loss {test_loss:.3f}, accuracy {accuracy:.2f}%")

# %%
print(open("history.csv").read())

# %% [markdown]
# ## Handing it in
#
# Hand in this one file, `resnet20.py` or `resnet20.ipynb` (on Colab: File > Download), and `history.csv` beside it; a
# notebook that was run holds that table already. `autograder check` tells what is right and what is not before that, as
# often as you like; the handout says how.
