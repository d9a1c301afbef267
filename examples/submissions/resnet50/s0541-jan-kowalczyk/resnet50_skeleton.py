# %% [markdown]
# # Homework: ResNet-50, simplified
#
# Build a residual network of bottleneck blocks for CIFAR-10. Everything that is yours to write is a line with three
# dots, `...`, under a comment that says what belongs there: eleven places, all in this file. `main.py` trains and tests
# what you build; `vgg16_full.py` is a network without shortcuts to set beside it. Both are complete. The handout,
# `README.md`, has the drawings.
#
# The names `layer`, `downsize`, `make_equal_channel`, `layer1` to `layer4` and `fc` are part of the task: the entries
# of a checkpoint are called after them.

# %%
import torch
import torch.nn as nn


# %% [markdown]
# ## Convolutions with all that goes with them

# %%
def conv1x1(in_channels, out_channels, stride):
    """A 1x1 convolution (padding 0), its BN and a ReLU, in one nn.Sequential."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, padding=0),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def conv3x3(in_channels, out_channels, stride):
    """A 3x3 convolution with padding 1, its BN and a ReLU, in one nn.Sequential."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


# %% [markdown]
# ## The block
#
# A bottleneck: 1x1 to `middle_channels`, 3x3, 1x1 to `out_channels`, and what comes out of the shortcut is added.
# Nothing follows the addition.

# %%
class ResidualBlock(nn.Module):
    def __init__(self, in_channels, middle_channels, out_channels, downsample=False):
        super().__init__()
        self.downsample = downsample
        if self.downsample:
            # The block halves height and width. self.layer: an nn.Sequential of conv1x1, conv3x3 and conv1x1, of which
            # the first has stride 2. self.downsize: the shortcut, a conv1x1 with stride 2 to out_channels.
            self.layer = nn.Sequential(
                conv1x1(in_channels, middle_channels, 2),
                conv3x3(middle_channels, middle_channels, 1),
                conv1x1(middle_channels, out_channels, 1),
            )
            self.downsize = conv1x1(in_channels, out_channels, 2)
        else:
            # Height and width stay. self.layer: the same three with stride 1. self.make_equal_channel: the shortcut, a
            # conv1x1 with stride 1 to out_channels.
            self.layer = nn.Sequential(
                conv1x1(in_channels, middle_channels, 1),
                conv3x3(middle_channels, middle_channels, 1),
                conv1x1(middle_channels, out_channels, 1),
            )
            self.make_equal_channel = conv1x1(in_channels, out_channels, 1)

    def forward(self, x):
        # (N, in_channels, H, W) -> (N, out_channels, H, W), or (N, out_channels, H / 2, W / 2) with downsample
        shortcut = self.downsize(x) if self.downsample else self.make_equal_channel(x)
        return self.layer(x) + shortcut


# %% [markdown]
# ## The network
#
# Shapes on the way, for a batch of N pictures: (N, 3, 32, 32), layer 1 (N, 64, 8, 8), layer 2 (N, 256, 4, 4), layer 3
# (N, 512, 2, 2), layer 4 (N, 1024, 2, 2), average pooling (N, 1024, 1, 1), linear layer (N, num_classes).

# %%
class ResNet50_layer4(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        # self.layer1: an nn.Sequential of a 7x7 convolution with 64 channels, stride 2 and padding 3, its BN, a ReLU,
        # and a 3x3 max pool with stride 2 and padding 1.
        self.layer1 = nn.Sequential(
            nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=5),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=0),
        )

        # self.layer2: an nn.Sequential of 3 blocks, 64 channels in the middle and 256 out. The last one downsamples.
        self.layer2 = nn.Sequential(
            ResidualBlock(64, 64, 256),
            ResidualBlock(256, 64, 256),
            ResidualBlock(256, 64, 256, downsample=True),
        )

        # self.layer3: 4 blocks, 128 channels in the middle and 512 out. The last one downsamples.
        self.layer3 = nn.Sequential(
            ResidualBlock(256, 128, 512),
            ResidualBlock(512, 128, 512),
            ResidualBlock(512, 128, 512),
            ResidualBlock(512, 128, 512, downsample=True),
        )

        # self.layer4: 6 blocks, 256 channels in the middle and 1024 out. None downsamples.
        self.layer4 = nn.Sequential(
            ResidualBlock(512, 256, 1024),
            ResidualBlock(1024, 256, 1024),
            ResidualBlock(1024, 256, 1024),
            ResidualBlock(1024, 256, 1024),
            ResidualBlock(1024, 256, 1024),
            ResidualBlock(1024, 256, 1024),
        )

        # self.avgpool: average pooling over 2x2, to one number a channel. self.fc: the linear layer, to num_classes.
        self.avgpool = nn.AvgPool2d(kernel_size=2)
        self.fc = nn.Linear(1024, num_classes)

    def forward(self, x):
        # (N, 3, 32, 32) -> (N, num_classes): a score for each class. No softmax: the loss has it.
        x = self.layer1(x)
        x = self.layer2(x)
        x = self.layer3(x)
        x = self.layer4(x)
        x = self.avgpool(x)
        return self.fc(torch.flatten(x, 1))
