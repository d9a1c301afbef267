"""Draws the figures of the handout as SVG, beside this file: `python solution/hw6/figures/draw.py`.

Every figure has its own ground and follows the reader's light or dark setting, so it can be read on any page.
The same program draws the same bytes.
"""

from html import escape
from pathlib import Path

STYLE = """
  .ground { fill: #ffffff; stroke: #d0d7de; }
  .frame { fill: none; stroke: #8c959f; stroke-dasharray: 5 4; }
  text { fill: #1f2328; font: 14px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
  .title { font-weight: 600; font-size: 15px; }
  .shape { fill: #57606a; font-size: 12.5px; }
  .line { fill: none; stroke: #57606a; stroke-width: 1.6; }
  .tip { fill: #57606a; }
  .box { stroke: #57606a; stroke-width: 1; }
  .conv { fill: #cfe3fb; } .norm { fill: #d6f0da; } .relu { fill: #fde7c3; } .pool { fill: #e6dcf8; }
  .sum { fill: #f6f8fa; } .linear { fill: #fbd9e3; } .plain { fill: #f0f2f4; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; stroke: #3d444d; }
    .frame { stroke: #7d8590; }
    text { fill: #e6edf3; }
    .shape { fill: #a3adb8; }
    .line { stroke: #a3adb8; }
    .tip { fill: #a3adb8; }
    .box { stroke: #a3adb8; }
    .conv { fill: #1c4270; } .norm { fill: #1f4d2b; } .relu { fill: #614a13; } .pool { fill: #45307a; }
    .sum { fill: #21262d; } .linear { fill: #6b2440; } .plain { fill: #21262d; }
  }
"""
KINDS = {"BN": "norm", "ReLU": "relu", "conv": "conv", "max": "pool", "average": "pool", "linear": "linear"}


class Figure:
    """An SVG picture that is drawn from the back to the front; x and y in pixels, from the upper left corner."""

    def __init__(self, name, title, width, height):
        self.path = Path(__file__).with_name(f"{name}.svg")
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img" aria-label="{escape(title)}">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            f'<rect class="ground" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>',
        ]

    def text(self, x, y, text, kind="", anchor="middle"):
        of_class = f' class="{kind}"' if kind else ""
        self.parts.append(f'<text{of_class} x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>')

    def box(self, x, y, text, width=130, height=28):
        """A rounded box with its middle at (x, y), coloured by the first word of its text."""
        kind = KINDS.get(text.split()[0].strip(","), "plain")
        self.parts.append(
            f'<rect class="box {kind}" x="{x - width / 2:g}" y="{y - height / 2:g}" width="{width}" '
            f'height="{height}" rx="5"/>'
        )
        self.text(x, y + 5, text)

    def frame(self, left, top, width, height, title):
        self.parts.append(f'<rect class="frame" x="{left}" y="{top}" width="{width}" height="{height}" rx="8"/>')
        if title:
            self.text(left + width / 2, top - 9, title, "title")

    def plus(self, x, y):
        self.parts.append(f'<circle class="box sum" cx="{x}" cy="{y}" r="12"/>')
        self.parts.append(f'<path class="line" d="M{x - 6} {y}h12M{x} {y - 6}v12"/>')

    def arrow(self, *points):
        """A line through `points`, with a tip at the last one."""
        (x0, y0), (x, y) = points[-2:]
        across, down = (x > x0) - (x < x0), (y > y0) - (y < y0)
        back = (x - 7 * across, y - 7 * down)
        line = "L".join(f"{a:g} {b:g}" for a, b in (*points[:-1], back))
        wide = (4 * down, 4 * across)
        tip = f"{x:g} {y:g}L{back[0] + wide[0]:g} {back[1] + wide[1]:g}L{back[0] - wide[0]:g} {back[1] - wide[1]:g}"
        self.parts.append(f'<path class="line" d="M{line}"/><path class="tip" d="M{tip}Z"/>')

    def save(self):
        self.path.write_text("\n".join([*self.parts, "</svg>", ""]), encoding="utf-8", newline="\n")


def column(figure, x, top, steps, gap=46, width=130):
    """Boxes below each other, joined by arrows; `top` is the y of the first box's middle."""
    for place, text in enumerate(steps):
        y = top + gap * place
        if place:
            figure.arrow((x, y - gap + 14), (x, y - 14))
        figure.box(x, y, text, width)


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
    figure.save()


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
    figure = Figure("network", "IdentityResNet from the images to the scores", 560, 522)
    figure.text(280, 32, "IdentityResNet(2, 2, 2, 2)", "title")
    column(figure, 190, 70, [name for name, _ in rows], 52, 290)
    for place, (_, shape) in enumerate(rows):
        figure.text(355, 75 + 52 * place, shape, "shape", "start")
    figure.save()


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
    figure.save()


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
    figure.save()


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
