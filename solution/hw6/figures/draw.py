"""Draws the figures of the handout as SVG, beside this file: `python solution/hw6/figures/draw.py`."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))  # `solution`, which holds what every homework's figures are drawn with

from drawing import Figure, column, ladder  # noqa: E402


def basic_block():
    figure = Figure("block", "A basic block: F(x) + x", 440, 440)
    figure.text(220, 30, "A basic block: F(x) + x", "title")
    x, skip = 150, 290
    figure.text(x, 58, "x", "title")
    figure.text(x + 14, 58, "(N, C, H, W)", "shape", "start")
    figure.arrow((x, 66), (x, 92))
    column(figure, x, 106, ["BN", "ReLU", "conv 3x3", "BN", "ReLU", "conv 3x3"])
    figure.arrow((x, 350), (x, 368))
    figure.arrow((x, 78), (skip, 78), (skip, 380), (x + 12, 380))
    figure.text(skip + 10, 220, "the skip:", "", "start")
    figure.text(skip + 10, 240, "x, as it is", "", "start")
    figure.text(x - 84, 230, "F", "title")
    figure.plus(x, 380)
    figure.arrow((x, 392), (x, 412))
    figure.text(x, 429, "F(x) + x", "title")
    figure.text(x + 40, 429, "(N, C, H, W), no ReLU after the sum", "shape", "start")
    figure.save(HERE)


def network():
    rows = [
        ("images", "(N, 3, 32, 32)"),
        ("conv 3x3, 3 to 64, stride 1, padding 1", "(N, 64, 32, 32)"),
        ("stage 1: 2 blocks, 64 channels", "(N, 64, 32, 32)"),
        ("stage 2: 2 blocks, 128 channels", "(N, 128, 16, 16)"),
        ("stage 3: 2 blocks, 256 channels", "(N, 256, 8, 8)"),
        ("stage 4: 2 blocks, 512 channels", "(N, 512, 4, 4)"),
        ("average pool 4x4, stride 4", "(N, 512, 1, 1)"),
        ("flatten", "(N, 512)"),
        ("linear, 512 to 10", "(N, 10)"),
    ]
    title = "IdentityResNet from the images to the scores"
    ladder("network", title, "IdentityResNet(2, 2, 2, 2)", rows).save(HERE)


def stages(name, title, blocks):
    """Blocks beside each other; each is (heading, channels in, channels out, side of the map that comes out)."""
    wide, margin = 232, 22
    figure = Figure(name, title, 2 * margin + wide * len(blocks), 506)
    figure.text(margin + wide * len(blocks) / 2, 30, title, "title")
    for place, (heading, into, out, side) in enumerate(blocks):
        left = margin + wide * place
        x, skip = left + 80, left + 190
        shrinks = into != out
        coming = 2 * side if shrinks else side
        figure.frame(left + 6, 78, wide - 12, 376, "")
        figure.text(x + 12, 70, heading, "title", "start")
        figure.text(x + 12, 100, f"(N, {into}, {coming}, {coming})", "shape", "start")
        if place == 0:
            figure.arrow((x, 52), (x, 132))
        column(figure, x, 146, ["BN", "ReLU", f"conv 3x3{', stride 2' * shrinks}", "BN", "ReLU", "conv 3x3"], 44, 136)
        figure.arrow((x, 380), (x, 400))
        figure.plus(x, 412)
        if shrinks:
            figure.arrow((x, 116), (skip, 116), (skip, 220))
            figure.box(skip, 234, "A or B", 58)
            figure.arrow((skip, 248), (skip, 412), (x + 12, 412))
        else:
            figure.arrow((x, 116), (skip, 116), (skip, 412), (x + 12, 412))
        figure.text(x + 12, 444, f"(N, {out}, {side}, {side})", "shape", "start")
        if place < len(blocks) - 1:
            figure.arrow((x, 424), (x, 472), (left + wide, 472), (left + wide, 52), (x + wide, 52), (x + wide, 132))
        else:
            figure.arrow((x, 424), (x, 484))
    figure.save(HERE)


def skips():
    figure = Figure("skip", "Two ways to skip where the shape changes: option A and option B", 720, 350)
    for left, title in ((24, "option A: no parameters"), (368, "option B: a convolution")):
        figure.frame(left, 48, 328, 280, title)
    x = 130
    figure.text(x, 76, "(N, C, H, W)", "shape")
    figure.arrow((x, 84), (x, 112))
    figure.box(x, 126, "max pool 2x2, stride 2", 176)
    figure.arrow((x, 140), (x, 222))
    figure.text(x + 10, 184, "(N, C, H/2, W/2)", "shape", "start")
    figure.box(282, 126, "zeros", 84)
    figure.arrow((282, 140), (282, 236), (218, 236))
    figure.text(284, 104, "(N, C, H/2, W/2)", "shape")
    figure.box(x, 236, "concatenate channels", 176)
    figure.arrow((x, 250), (x, 288))
    figure.text(x, 308, "(N, 2C, H/2, W/2)", "shape")
    x = 532
    figure.text(x, 76, "(N, C, H, W)", "shape")
    figure.arrow((x, 84), (x, 166))
    figure.box(x, 180, "conv 1x1, C to 2C, stride 2", 210)
    figure.arrow((x, 194), (x, 288))
    figure.text(x, 308, "(N, 2C, H/2, W/2)", "shape")
    figure.save(HERE)


def main():
    basic_block()
    network()
    stages("stage1", "Stage 1: nothing changes its shape", [("block 1", 64, 64, 32), ("block 2", 64, 64, 32)])
    stages(
        "stage2", "Stage 2: half the side, twice the channels", [("block 1", 64, 128, 16), ("block 2", 128, 128, 16)]
    )
    stages(
        "stages34",
        "Stages 3 and 4: the same again, twice",
        [
            ("stage 3, block 1", 128, 256, 8),
            ("stage 3, block 2", 256, 256, 8),
            ("stage 4, block 1", 256, 512, 4),
            ("stage 4, block 2", 512, 512, 4),
        ],
    )
    skips()


if __name__ == "__main__":
    main()
