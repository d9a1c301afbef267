# ResNet-50 up to its fourth layer, for pictures of 32x32
import torch.nn as nn


def conv1x1(cin, cout, stride):
    conv = nn.Conv2d(cin, cout, 1, stride)
    return nn.Sequential(conv, nn.BatchNorm2d(cout), nn.ReLU())


def conv3x3(cin, cout, stride):
    conv = nn.Conv2d(cin, cout, 3, stride, padding=1)
    return nn.Sequential(conv, nn.BatchNorm2d(cout), nn.ReLU())


class ResidualBlock(nn.Module):
    def __init__(self, cin, mid, cout, downsample=False):
        super().__init__()
        self.downsample = downsample
        stride = 2 if downsample else 1
        reduce = conv1x1(cin, mid, stride)
        spatial = conv3x3(mid, mid, 1)
        expand = conv1x1(mid, cout, 1)
        self.layer = nn.Sequential(reduce, spatial, expand)
        if downsample:
            self.downsize = conv1x1(cin, cout, 2)
        else:
            self.make_equal_channel = conv1x1(cin, cout, 1)

    def forward(self, x):
        out = self.layer(x)
        if self.downsample:
            shortcut = self.downsize(x)
        else:
            shortcut = self.make_equal_channel(x)
        return out + shortcut


class ResNet50_layer4(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        conv = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = nn.Sequential(conv, nn.BatchNorm2d(64), nn.ReLU(), pool)
        self.layer2 = self.stage(64, 64, 256, 3, True)
        self.layer3 = self.stage(256, 128, 512, 4, True)
        self.layer4 = self.stage(512, 256, 1024, 6, False)
        self.avgpool = nn.AvgPool2d(2)
        self.fc = nn.Linear(1024, num_classes)

    def stage(self, cin, mid, cout, count, halves):
        blocks = []
        for number in range(count):
            last = number == count - 1
            blocks.append(ResidualBlock(cin, mid, cout, halves and last))
            cin = cout
        return nn.Sequential(*blocks)

    def forward(self, x):
        x = self.layer1(x)
        x = self.layer2(x)
        x = self.layer3(x)
        x = self.layer4(x)
        x = self.avgpool(x)
        x = x.view(x.size(0), -1)
        return self.fc(x)
