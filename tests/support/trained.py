"""Parts of a tiny script that trains, for tests of the proctor's runs."""

from autograder.course.homework import Protocol
from autograder.homeworks import load

HOMEWORK = load("hw6")


SMALL = Protocol("preview", epochs=2, time_box_s=60, train_images=40, test_images=20)


HEAD = """
import torch, torch.nn as nn, torchvision, torchvision.transforms as T
class IdentityResNet(nn.Module):
    def __init__(self, a=2, b=2, c=2, d=2):
        super().__init__()
        self.fc = nn.Linear(3072, 10)
        self.bn = nn.BatchNorm1d(10)
    def forward(self, x):
        return self.bn(self.fc(x.flatten(1)))
tf = T.Compose([T.ToTensor(), T.Normalize((0.5,) * 3, (0.5,) * 3)])
trainset = torchvision.datasets.CIFAR10(root="./data", train=True, download=True, transform=tf)
testset = torchvision.datasets.CIFAR10(root="./data", train=False, download=True, transform=tf)
loader = torch.utils.data.DataLoader(trainset, batch_size=8, shuffle=True)
testloader = torch.utils.data.DataLoader(testset, batch_size=4)
def step(net, optimizer, x, y):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(net(x), y)
    loss.backward()
    optimizer.step()
"""


NET = """
net = IdentityResNet()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
"""
