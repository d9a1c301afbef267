# %% [markdown]
# # An autoencoder
#
# A line with three dots is yours to write.

# %%
import torch
import torch.nn as nn
import torchvision
import torchvision.transforms as transforms

torch.manual_seed(0)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
transform = transforms.ToTensor()
trainset = torchvision.datasets.FashionMNIST(root="./data", train=True, download=True, transform=transform)
trainloader = torch.utils.data.DataLoader(trainset, batch_size=20, shuffle=True)
testset = torchvision.datasets.FashionMNIST(root="./data", train=False, download=True, transform=transform)
testloader = torch.utils.data.DataLoader(testset, batch_size=20)


# %%
class Autoencoder(nn.Module):
    def __init__(self, width):
        super().__init__()
        # Down: two 3x3 convolutions with stride 2 and padding 1, to width and to twice the width.
        # Up: two transposed ones of 4x4 with stride 2 and padding 1, back to width and to one channel.
        ### BEGIN SOLUTION
        self.down1 = nn.Conv2d(1, width, 3, stride=2, padding=1)
        self.down2 = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1)
        self.up2 = nn.ConvTranspose2d(width, 1, 4, stride=2, padding=1)
        ### END SOLUTION

    def forward(self, x):
        # (N, 1, 28, 28) -> (N, 1, 28, 28): a ReLU after each layer but the last, which a sigmoid follows.
        ### BEGIN SOLUTION
        x = torch.relu(self.down1(x))
        x = torch.relu(self.down2(x))
        x = torch.relu(self.up1(x))
        return torch.sigmoid(self.up2(x))
        ### END SOLUTION


net = Autoencoder(8).to(device)

# %%
# Q1. The optimizer: Adam.
### BEGIN SOLUTION
optimizer = torch.optim.Adam(net.parameters(), lr=0.003)
### END SOLUTION
for epoch in range(3):
    net.train()
    for images, _ in trainloader:
        images = images.to(device)
        # Q2. Set all gradients to zero.
        ### BEGIN SOLUTION
        optimizer.zero_grad()
        ### END SOLUTION
        loss = ((net(images) - images) ** 2).mean()
        # Q3. The backward pass.
        ### BEGIN SOLUTION
        loss.backward()
        ### END SOLUTION
        optimizer.step()

net.eval()
total = 0.0
with torch.no_grad():
    for images, _ in testloader:
        images = images.to(device)
        total += ((net(images) - images) ** 2).mean().item()
print(f"error {total / len(testloader):.4f}")
