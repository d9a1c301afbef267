"""Three who did their homework, each in another manner."""

from support.corpus.base import script
from support.corpus.notebooks import notebook
from support.corpus.row import Row, row, says, within_budget, written

PLAIN = row("honest-plain", "the base script as it is", script(), "GRADED", proofs=[says("epoch 4"), within_budget])

_AUGMENTED = (
    script(
        init="self.norm = nn.BatchNorm2d(3)",
        forward="x = self.norm(x)",
        data="""
        torch.manual_seed(0)
        augmented = T.Compose([T.RandomHorizontalFlip(), T.RandomCrop(32, padding=4), transform])
        """,
    )
    .replace("train=True, download=True, transform=transform", "train=True, download=True, transform=augmented")
    .replace("range(epochs)", "range(3)")
)

ROWS: tuple[Row, ...] = (
    PLAIN,
    row(
        "honest-notebook", "the same in a notebook", written(notebook(script().split("\n\n\n")), "hw6.ipynb"), "GRADED"
    ),
    row("honest-augmented", "batch norm, augmented images, three epochs", _AUGMENTED, "GRADED"),
)
