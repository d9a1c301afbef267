# %% [markdown]
# # LeNet
#
# A line with three dots is yours to write.

# %%
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
import torchvision
import torchvision.transforms as transforms

torch.manual_seed(0)
# Q1. The device: the GPU where there is one.
### BEGIN SOLUTION
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
### END SOLUTION
transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
trainset = torchvision.datasets.MNIST(root="./data", train=True, download=True, transform=transform)
trainloader = torch.utils.data.DataLoader(trainset, batch_size=20, shuffle=True)
testset = torchvision.datasets.MNIST(root="./data", train=False, download=True, transform=transform)
testloader = torch.utils.data.DataLoader(testset, batch_size=20)


# %%
class LeNet(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        # Two convolutions of 5x5, to 6 and to 16 channels, the first with padding 2; linear layers of 120, 84, classes.
        ### BEGIN SOLUTION
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)
        ### END SOLUTION

    def forward(self, x):
        # A ReLU after each layer but the last, a max pool of 2x2 after each convolution's.
        ### BEGIN SOLUTION
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)
        ### END SOLUTION


net = LeNet(10).to(device)

# %%
criterion = nn.CrossEntropyLoss()
# Q2. The optimizer: SGD with momentum 0.9.
### BEGIN SOLUTION
optimizer = optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
### END SOLUTION
for epoch in range(3):
    net.train()
    for images, labels in trainloader:
        images, labels = images.to(device), labels.to(device)
        # Q3. Set all gradients to zero.
        ### BEGIN SOLUTION
        optimizer.zero_grad()
        ### END SOLUTION
        loss = criterion(net(images), labels)
        # Q4. The backward pass.
        ### BEGIN SOLUTION
        loss.backward()
        ### END SOLUTION
        # Q5. The optimizer's step.
        ### BEGIN SOLUTION
        optimizer.step()
        ### END SOLUTION

net.eval()
right = 0
with torch.no_grad():
    for images, labels in testloader:
        right += (net(images.to(device)).argmax(dim=1).cpu() == labels).sum().item()
print(f"{100 * right / len(testset):.1f}%")
