"""Draws the figures of the handout as SVG, beside this file: `python solution/resnet50/figures/draw.py`."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))  # `solution`, which holds what every homework's figures are drawn with

from drawing import Figure, column, ladder  # noqa: E402


def convolutions():
    figure = Figure("conv", "conv1x1 and conv3x3: a convolution, its BN and a ReLU", 652, 312)
    panels = (
        (20, "conv1x1(in, out, stride)", "conv 1x1, padding 0"),
        (336, "conv3x3(in, out, stride)", "conv 3x3, padding 1"),
    )
    for left, title, conv in panels:
        x = left + 148
        figure.frame(left, 48, 296, 244, title)
        figure.text(x, 78, "(N, in, H, W)", "shape")
        figure.arrow((x, 86), (x, 106))
        column(figure, x, 120, [conv, "BN", "ReLU"], width=160)
        figure.arrow((x, 226), (x, 252))
        figure.text(x, 272, "(N, out, H/stride, W/stride)", "shape")
    figure.save(HERE)


def blocks():
    figure = Figure("block", "The bottleneck block, without and with downsampling", 952, 476)
    panels = (
        (20, "downsample=False: height and width stay", False),
        (486, "downsample=True: half the height, half the width", True),
    )
    for left, title, halves in panels:
        x, skip, gap = left + 118, left + 278, 76
        stride, side = (2, "H/2, W/2") if halves else (1, "H, W")
        figure.frame(left, 48, 446, 384, title)
        figure.text(x, 78, "x", "title")
        figure.text(x + 14, 78, "(N, in, H, W)", "shape", "start")
        figure.arrow((x, 86), (x, 136))
        column(figure, x, 150, [f"conv 1x1, stride {stride}", "conv 3x3, stride 1", "conv 1x1, stride 1"], gap, 140)
        figure.text(x + 10, 192, f"(N, middle, {side})", "shape", "start")
        figure.text(x + 10, 268, f"(N, middle, {side})", "shape", "start")
        figure.text(x - 92, 231, "layer")
        figure.arrow((x, 316), (x, 368))
        figure.text(x + 10, 346, f"(N, out, {side})", "shape", "start")
        figure.arrow((x, 106), (skip, 106), (skip, 212))
        figure.text(skip + 10, 190, "downsize" if halves else "make_equal_channel", "", "start")
        figure.box(skip, 226, f"conv 1x1, stride {stride}", 140)
        figure.arrow((skip, 240), (skip, 380), (x + 12, 380))
        figure.text(skip + 10, 268, f"(N, out, {side})", "shape", "start")
        figure.plus(x, 380)
        figure.arrow((x, 392), (x, 408))
        figure.text(x, 424, f"(N, out, {side})", "shape")
    figure.text(476, 458, "each conv: a convolution, its BN and a ReLU", "shape")
    figure.save(HERE)


def network():
    rows = [
        ("images", "(N, 3, 32, 32)"),
        ("conv 7x7, 3 to 64, stride 2, padding 3", "(N, 64, 16, 16)"),
        ("BN", "(N, 64, 16, 16)"),
        ("ReLU", "(N, 64, 16, 16)"),
        ("max pool 3x3, stride 2, padding 1", "(N, 64, 8, 8)"),
        ("layer 2: 2 blocks", "(N, 256, 8, 8)"),
        ("layer 2: the last block, downsampling", "(N, 256, 4, 4)"),
        ("layer 3: 3 blocks", "(N, 512, 4, 4)"),
        ("layer 3: the last block, downsampling", "(N, 512, 2, 2)"),
        ("layer 4: 6 blocks", "(N, 1024, 2, 2)"),
        ("average pool 2x2", "(N, 1024, 1, 1)"),
        ("flatten", "(N, 1024)"),
        ("linear, 1024 to 10", "(N, 10)"),
    ]
    ladder("network", "Simplified ResNet-50 from the images to the scores", "ResNet50_layer4()", rows).save(HERE)


def main():
    convolutions()
    blocks()
    network()


if __name__ == "__main__":
    main()
