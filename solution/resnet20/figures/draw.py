"""Draws the figures of the handout as SVG, beside this file: `python solution/resnet20/figures/draw.py`."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))  # `solution`, which holds what every homework's figures are drawn with

from drawing import Figure, column, ladder  # noqa: E402


def block():
    figure = Figure("block", "A post-activation block: ReLU(F(x) + x)", 480, 454)
    figure.text(240, 30, "A block: ReLU(F(x) + x)", "title")
    x, skip = 170, 310
    figure.text(x, 58, "x", "title")
    figure.text(x + 14, 58, "(N, C, H, W)", "shape", "start")
    figure.arrow((x, 66), (x, 98))
    figure.frame(x - 82, 90, 164, 228, "")
    figure.text(x - 100, 210, "F", "title")
    column(figure, x, 112, ["conv 3x3", "BN", "ReLU", "conv 3x3", "BN"])
    figure.arrow((x, 310), (x, 330))
    figure.arrow((x, 78), (skip, 78), (skip, 342), (x + 12, 342))
    figure.text(skip + 10, 202, "the shortcut:", "", "start")
    figure.text(skip + 10, 222, "x, as it is", "", "start")
    figure.plus(x, 342)
    figure.arrow((x, 354), (x, 376))
    figure.box(x, 390, "ReLU")
    figure.text(x + 77, 395, "after the addition", "", "start")
    figure.arrow((x, 404), (x, 424))
    figure.text(x, 441, "ReLU(F(x) + x)", "title")
    figure.text(x + 80, 441, "(N, C, H, W)", "shape", "start")
    figure.save(HERE)


def shortcuts():
    figure = Figure("shortcut", "The shortcut where the shape stays and where it changes", 812, 404)
    panels = ((20, "the shape stays: x as it is", False), (416, "the shape changes: conv and BN", True))
    for left, title, changes in panels:
        x, skip = left + 96, left + 240
        out = "(N, 2C, H/2, W/2)" if changes else "(N, C, H, W)"
        figure.frame(left, 48, 376, 336, title)
        figure.text(x, 78, "x", "title")
        figure.text(x + 14, 78, "(N, C, H, W)", "shape", "start")
        figure.arrow((x, 86), (x, 155))
        figure.box(x, 169, f"F, stride {2 if changes else 1}")
        figure.arrow((x, 183), (x, 268))
        figure.text(x + 10, 230, out, "shape", "start")
        if changes:
            figure.arrow((x, 100), (skip, 100), (skip, 132))
            column(figure, skip, 146, ["conv 1x1, stride 2", "BN"], width=140)
            figure.arrow((skip, 206), (skip, 280), (x + 12, 280))
            figure.text(skip + 10, 230, out, "shape", "start")
        else:
            figure.arrow((x, 100), (skip, 100), (skip, 280), (x + 12, 280))
            figure.text(skip + 10, 230, out, "shape", "start")
        figure.plus(x, 280)
        figure.arrow((x, 292), (x, 310))
        figure.box(x, 324, "ReLU")
        figure.arrow((x, 338), (x, 360))
        figure.text(x + 14, 372, out, "shape", "start")
    figure.save(HERE)


def network():
    rows = [
        ("images", "(N, 3, 32, 32)"),
        ("conv 3x3, 3 to 16, stride 1, padding 1", "(N, 16, 32, 32)"),
        ("BN", "(N, 16, 32, 32)"),
        ("ReLU", "(N, 16, 32, 32)"),
        ("stage 1: 3 blocks, 16 channels", "(N, 16, 32, 32)"),
        ("stage 2: 3 blocks, 32 channels", "(N, 32, 16, 16)"),
        ("stage 3: 3 blocks, 64 channels", "(N, 64, 8, 8)"),
        ("average pool to 1x1", "(N, 64, 1, 1)"),
        ("flatten", "(N, 64)"),
        ("linear, 64 to 10", "(N, 10)"),
    ]
    ladder("network", "ResNet-20 from the images to the scores", "ResNet20()", rows).save(HERE)


def main():
    block()
    shortcuts()
    network()


if __name__ == "__main__":
    main()
