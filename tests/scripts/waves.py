# %% [markdown]
# # Waves
#
# A line with three dots is yours to write.

# %%
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
data = np.load("waves.npz")
mean, std = data["train_inputs"].mean(), data["train_inputs"].std()


def as_dataset(split):
    inputs = torch.from_numpy((data[f"{split}_inputs"] - mean) / std)
    return TensorDataset(inputs, torch.from_numpy(data[f"{split}_targets"]))


trainloader = DataLoader(as_dataset("train"), batch_size=16, shuffle=True)
testloader = DataLoader(as_dataset("test"), batch_size=16)


# %%
class WaveNet(nn.Module):
    def __init__(self, classes):
        super().__init__()
        # An LSTM of 24 numbers over the sequence, and a linear layer to the classes, with 16 numbers between.
        ### BEGIN SOLUTION
        self.lstm = nn.LSTM(2, 24, batch_first=True)
        self.hidden = nn.Linear(24, 16)
        self.out = nn.Linear(16, classes)
        ### END SOLUTION

    def forward(self, x):
        # (N, 20, 2) -> (N, classes): what the LSTM says last, a ReLU between the linear layers.
        ### BEGIN SOLUTION
        states, _ = self.lstm(x)
        return self.out(torch.relu(self.hidden(states[:, -1])))
        ### END SOLUTION


net = WaveNet(4).to(device)

# %%
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for epoch in range(6):
    net.train()
    for inputs, targets in trainloader:
        inputs, targets = inputs.to(device), targets.to(device)
        # Q1. Set all gradients to zero.
        ### BEGIN SOLUTION
        optimizer.zero_grad()
        ### END SOLUTION
        # Q2. The forward pass.
        ### BEGIN SOLUTION
        scores = net(inputs)
        ### END SOLUTION
        loss = criterion(scores, targets)
        # Q3. The backward pass.
        ### BEGIN SOLUTION
        loss.backward()
        ### END SOLUTION
        # Q4. The step.
        ### BEGIN SOLUTION
        optimizer.step()
        ### END SOLUTION

net.eval()
right = total = 0
with torch.no_grad():
    for inputs, targets in testloader:
        right += (net(inputs.to(device)).argmax(dim=1).cpu() == targets).sum().item()
        total += len(targets)
print(f"{100 * right / total:.1f}%")
