"""What the handouts' figures are drawn with: an SVG picture of boxes, frames and arrows.

Used by `figures/draw.py` of each homework, and never run by itself. The same program draws the same bytes.
"""

from html import escape

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
    """An SVG picture that is drawn from the back to the front; x and y in pixels, from the upper left corner.

    Each has a ground of its own and follows the reader's light or dark setting, so it can be read on any page.
    """

    def __init__(self, name, title, width, height):
        self.name = name
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

    def save(self, folder):
        """Write `<name>.svg` to `folder`."""
        (folder / f"{self.name}.svg").write_text("\n".join([*self.parts, "</svg>", ""]), encoding="utf-8", newline="\n")


def column(figure, x, top, steps, gap=46, width=130):
    """Boxes below each other, joined by arrows; `top` is the y of the first box's middle."""
    for place, text in enumerate(steps):
        y = top + gap * place
        if place:
            figure.arrow((x, y - gap + 14), (x, y - 14))
        figure.box(x, y, text, width)


def ladder(name, title, heading, rows):
    """A network from top to bottom; `rows` are (step, shape that comes out), and the shapes stand beside the boxes."""
    gap = 52
    figure = Figure(name, title, 560, 54 + gap * len(rows))
    figure.text(280, 32, heading, "title")
    column(figure, 190, 70, [step for step, _ in rows], gap, 290)
    for place, (_, shape) in enumerate(rows):
        figure.text(355, 75 + gap * place, shape, "shape", "start")
    return figure
