"""ResNet-50 for CIFAR-10 (Nadia Rossi)"""

import torch
from torch import nn


def conv1x1(in_channels, out_channels, stride):
    conv = nn.Conv2d(in_channels, out_channels, 1, stride)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.ReLU(True))


def conv3x3(in_channels, out_channels, stride):
    conv = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.ReLU(True))


class ResidualBlock(nn.Module):
    def __init__(self, in_channels, middle_channels, out_channels, downsample=False):
        super().__init__()
        self.downsample = downsample
        stride = 2 if downsample else 1
        self.layer = nn.Sequential(
            conv1x1(in_channels, middle_channels, stride),
            conv3x3(middle_channels, middle_channels, 1),
            conv1x1(middle_channels, out_channels, 1),
        )
        shortcut = conv1x1(in_channels, out_channels, stride)
        if downsample:
            self.downsize = shortcut
        else:
            self.make_equal_channel = shortcut

    def forward(self, x):
        out = self.layer(x)
        x = self.downsize(x) if self.downsample else self.make_equal_channel(x)
        return out + x


def layer(channels, middle, out, count, downsample):
    blocks = [ResidualBlock(channels, middle, out)]
    blocks += [ResidualBlock(out, middle, out) for _ in range(count - 2)]
    blocks.append(ResidualBlock(out, middle, out, downsample))
    return nn.Sequential(*blocks)


class ResNet50_layer4(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.layer1 = nn.Sequential(
            nn.Conv2d(3, 64, 7, stride=2, padding=3), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        )
        self.layer2 = layer(64, 64, 256, 3, True)
        self.layer3 = layer(256, 128, 512, 4, True)
        self.layer4 = layer(512, 256, 1024, 6, False)
        self.avgpool = nn.AvgPool2d(2)
        self.fc = nn.Linear(1024, num_classes)

    def forward(self, x):
        for part in (self.layer1, self.layer2, self.layer3, self.layer4, self.avgpool):
            x = part(x)
        return self.fc(x.view(x.size(0), -1))
