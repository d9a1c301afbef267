"""VGG-16 for CIFAR-10, complete: a network without shortcuts, to set beside ResNet-50.

After "Very Deep Convolutional Networks for Large-Scale Image Recognition" (arXiv 1409.1556), configuration D: thirteen
3x3 convolutions in five groups, a max pool after each group, and two linear layers in place of the paper's three.
14,983,498 parameters.
"""

import torch
import torch.nn as nn

GROUPS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class VGG16(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        layers = []
        in_channels = 3
        for group in GROUPS:
            for out_channels in group:
                layers += [nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1), nn.ReLU()]
                in_channels = out_channels
            layers.append(nn.MaxPool2d(kernel_size=2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(512, 512),
            nn.BatchNorm1d(512),
            nn.ReLU(),
            nn.Linear(512, num_classes),
        )
        # Thirteen layers without BN between them: with PyTorch's own initial weights the signal would fade on its way.
        for module in self.features:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def forward(self, x):
        # (N, 3, 32, 32) -> features (N, 512, 1, 1) -> (N, num_classes)
        return self.classifier(torch.flatten(self.features(x), 1))
