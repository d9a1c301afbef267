"""A training's loss, drawn in a notebook's cell while it goes on.

Called by `check` with what the proctor reports every two seconds or so, where `notebook` asked for it. Without
matplotlib, or outside of a notebook, it draws nothing.
"""

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autograder.observations import TrainingProgress

EVERY_S = 3.0  # a figure takes 0.1 s to draw


class LivePlot:
    """The loss of a batch over the epochs served, and at the end the accuracy and what it would earn."""

    def __init__(self) -> None:
        self.points: list[tuple[float, float]] = []
        self._drawn_at = -EVERY_S
        self._handle: Any = None

    def progressed(self, said: "TrainingProgress", epochs: int) -> None:
        """Take a report of a training of `epochs` in all, and draw when it is time."""
        if said.loss is not None:
            self.points.append((epochs * said.images / max(said.of, 1), said.loss))
        if said.seconds - self._drawn_at >= EVERY_S:
            self._drawn_at = said.seconds
            self._draw(epochs, "")

    def ended(self, epochs: int, words: str) -> None:
        """Draw it for the last time, under what the training came to."""
        self._draw(epochs, words)

    def _draw(self, epochs: int, title: str) -> None:
        try:
            from IPython.display import Image, display
            from matplotlib.figure import Figure
        except ImportError:
            return
        figure = Figure(figsize=(6, 3), layout="constrained")
        axes = figure.add_subplot()
        axes.plot([at for at, _ in self.points], [loss for _, loss in self.points], linewidth=1)
        axes.set(xlim=(0, epochs), ylim=(0, None), xlabel="epochs", ylabel="loss of a batch", title=title)
        axes.grid(alpha=0.3)
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png")  # drawn here: whether a notebook draws figures depends on its settings
        image = Image(data=drawn.getvalue(), format="png", alt=f"The loss of a batch over {epochs} epochs. {title}")  # type: ignore[no-untyped-call]
        if self._handle is None:
            self._handle = display(image, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(image)
