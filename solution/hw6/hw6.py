# %% [markdown]
# # Homework 6: IdentityResNet
#
# Build a residual network, train it on CIFAR-10 for five epochs, and see how many of 10,000 pictures that it has never
# seen it tells apart. More than 70% is the goal.
#
# Everything that is yours to write is a line with three dots, `...`, under a comment that says what belongs there:
# four places in the network, and nine questions around it, Q1 to Q9. The rest works as it is. The handout, `README.md`,
# has the drawings.
#
# On Google Colab, choose a GPU first: Runtime > Change runtime type.

# %%
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
# `./data`. `ToTensor` gives pixels from 0 to 1, channels first; `Normalize` moves them to -1 to 1.

# %%
transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))])

trainset = torchvision.datasets.CIFAR10(root="./data", train=True, download=True, transform=transform)
trainloader = torch.utils.data.DataLoader(trainset, batch_size=batch_size, shuffle=True)

testset = torchvision.datasets.CIFAR10(root="./data", train=False, download=True, transform=transform)
testloader = torch.utils.data.DataLoader(testset, batch_size=batch_size, shuffle=False)


# %% [markdown]
# ## The network
#
# A block computes F(x) + skip(x). F is BN, ReLU, 3x3 convolution, BN, ReLU, 3x3 convolution, and nothing follows the
# addition. In most blocks the skip is x itself. The first block of stages 2, 3 and 4 halves height and width and
# doubles the channels, so its skip has to do the same.
#
# Shapes on the way, for a batch of N pictures: (N, 3, 32, 32), the first convolution (N, 64, 32, 32), stage 1
# (N, 64, 32, 32), stage 2 (N, 128, 16, 16), stage 3 (N, 256, 8, 8), stage 4 (N, 512, 4, 4), average pooling over 4x4
# (N, 512, 1, 1), linear layer (N, 10).

# %%
class Block(nn.Module):
    """One residual block. It is here to help: divide the work otherwise, or rename it, if you like."""

    def __init__(self, in_channels, out_channels, stride):
        super().__init__()
        # The layers: two of batch normalisation, two 3x3 convolutions (the first one has the stride), and what the
        # skip needs when the shape changes (option A or option B of the handout).
        ### BEGIN SOLUTION
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        if stride == 1:
            self.skip = nn.Identity()
        else:
            self.skip = nn.Conv2d(in_channels, out_channels, 1, stride=stride)  # option B
        ### END SOLUTION

    def forward(self, x):
        # (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)
        ### BEGIN SOLUTION
        y = self.conv1(F.relu(self.bn1(x)))
        y = self.conv2(F.relu(self.bn2(y)))
        return y + self.skip(x)
        ### END SOLUTION


class IdentityResNet(nn.Module):
    """The network; nblk_stage1 to nblk_stage4 say how many blocks each stage has."""

    def __init__(self, nblk_stage1, nblk_stage2, nblk_stage3, nblk_stage4):
        super().__init__()
        # The layers: the first convolution, the blocks of the four stages, average pooling, the linear layer.
        # Every block needs layers of its own.
        ### BEGIN SOLUTION
        self.conv = nn.Conv2d(3, 64, 3, stride=1, padding=1)
        self.stage1 = self.stage(nblk_stage1, 64, 64, stride=1)
        self.stage2 = self.stage(nblk_stage2, 64, 128, stride=2)
        self.stage3 = self.stage(nblk_stage3, 128, 256, stride=2)
        self.stage4 = self.stage(nblk_stage4, 256, 512, stride=2)
        self.pool = nn.AvgPool2d(4, stride=4)
        self.linear = nn.Linear(512, 10)

    def stage(self, blocks, in_channels, out_channels, stride):
        first = Block(in_channels, out_channels, stride)
        return nn.Sequential(first, *[Block(out_channels, out_channels, 1) for _ in range(blocks - 1)])
        ### END SOLUTION

    def forward(self, x):
        # (N, 3, 32, 32) -> (N, 10): a score for each class. No softmax: the loss has it.
        ### BEGIN SOLUTION
        x = self.conv(x)
        x = self.stage1(x)
        x = self.stage2(x)
        x = self.stage3(x)
        x = self.stage4(x)
        x = self.pool(x)
        return self.linear(torch.flatten(x, 1))
        ### END SOLUTION


# %%
net = IdentityResNet(nblk_stage1=2, nblk_stage2=2, nblk_stage3=2, nblk_stage4=2)
parameters = sum(parameter.numel() for parameter in net.parameters())
assert parameters > 0, "IdentityResNet has no layers yet; it comes before Q3"

# Q3. Put the network on the device. The name stays: net.
### BEGIN SOLUTION
net = net.to(device)
### END SOLUTION
print(f"Q3: {parameters:,} parameters on {next(net.parameters()).device}")

# %% [markdown]
# ## Training

# %%
criterion = nn.CrossEntropyLoss()

# Q4. Stochastic gradient descent over the network's parameters, with momentum 0.9 and a learning rate that you choose.
# The name: optimizer.
### BEGIN SOLUTION
optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)

# The rate climbs to 0.05 in the first 30% of all steps and falls to 0 in the rest.
steps = 5 * len(trainloader)
scheduler = optim.lr_scheduler.LambdaLR(
    optimizer, lambda step: float(np.interp(step / steps, [0.0, 0.3, 1.0], [0.04, 1.0, 0.0]))
)
### END SOLUTION
print(f"Q4: {optimizer}")

for epoch in range(5):
    net.train()
    losses = []
    # The bar counts pictures: so many a second, and the loss of the last batch.
    batches = tqdm(trainloader, desc=f"epoch {epoch + 1} of 5", mininterval=1, unit=" pictures", unit_scale=batch_size)
    for images, labels in batches:
        images, labels = images.to(device), labels.to(device)

        # Q5. Set all gradients to zero: the last batch has left its own behind.
        ### BEGIN SOLUTION
        optimizer.zero_grad()
        ### END SOLUTION

        # Q6. The forward pass: what the network makes of the images. The name: outputs.
        ### BEGIN SOLUTION
        outputs = net(images)
        ### END SOLUTION
        loss = criterion(outputs, labels)

        # Q7. The backward pass: from the loss to the gradient of every parameter.
        ### BEGIN SOLUTION
        loss.backward()
        ### END SOLUTION

        # Q8. One step of the optimizer (and of a scheduler, if Q4 has made one).
        ### BEGIN SOLUTION
        optimizer.step()
        scheduler.step()
        ### END SOLUTION

        losses.append(loss.item())
        if hasattr(batches, "set_postfix"):
            batches.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
    print(f"epoch {epoch + 1}: mean loss {np.mean(losses):.3f}")

# %% [markdown]
# ## Testing

# %%
net.eval()  # from here on, batch normalisation uses what it has learned, not the batch at hand

right = np.zeros(10)  # of each class: how many pictures the network recognised
total = np.zeros(10)  # of each class: how many there are

# Q9. Testing needs no gradients. Make a context manager under which PyTorch builds no graph. The name: no_graphs.
### BEGIN SOLUTION
no_graphs = torch.no_grad()
### END SOLUTION
with no_graphs:  # Q9
    for images, labels in tqdm(testloader, desc="test", mininterval=1, unit=" pictures", unit_scale=batch_size):
        scores = net(images.to(device))
        predicted = scores.argmax(dim=1).cpu()
        for label, guess in zip(labels.tolist(), predicted.tolist()):
            right[label] += label == guess
            total[label] += 1

for name, of_class, out_of in zip(testset.classes, right, total):
    print(f"{name:>12}: {100 * of_class / out_of:5.1f}%")
print(f"{'all classes':>12}: {100 * right.sum() / total.sum():5.1f}%")

# %% [markdown]
# ## Handing it in
#
# Hand in this one file, `hw6.py` or `hw6.ipynb` (on Colab: File > Download). `autograder check` tells what is right
# and what is not before that, as often as you like; the handout says how.
