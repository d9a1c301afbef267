"""resnet50: a simplified ResNet-50 on CIFAR-10, with VGG-16 beside it.

Source: "Deep Residual Learning for Image Recognition" (arXiv 1512.03385), the bottleneck of its figure 5, and the
homework's own text, which has the stride in the first 1x1 convolution and a ReLU after every BN.
"""

from autograder.course.families.residual import BOTTLENECK, Residual, Stage, Stem
from autograder.course.homework import Answers, AskedOptimizer, Entry, Homework, Protocol, Recipe, Reference
from autograder.language import marked

STAGES = (
    Stage(256, 4, 3, middle=64, halves_last=True),
    Stage(512, 2, 4, middle=128, halves_last=True),
    Stage(1024, 2, 6, middle=256),
)


def _conv(name: str, channels_in: int, channels: int, kernel: int, norm: str, optional: bool = False) -> list[Entry]:
    """The entries of a convolution called `name` and of the BN called `norm` behind it."""
    per_channel = [f"{name}.bias", *(f"{norm}.{key}" for key in ("weight", "bias", "running_mean", "running_var"))]
    return [
        Entry(f"{name}.weight", (channels, channels_in, kernel, kernel), optional),
        *(Entry(entry, (channels,), optional) for entry in per_channel),
        Entry(f"{norm}.num_batches_tracked", (), optional),
    ]


def _entries() -> tuple[Entry, ...]:
    """Layer 1, then `layerL.B` for each block with its `layer` of three and its shortcut, then the linear layer.

    The projection of a block whose channels agree may be missing.
    """
    entries = _conv("layer1.0", 3, 64, 7, norm="layer1.1")
    channels = 64
    for number, stage in enumerate(STAGES, 2):
        middle = stage.middle or stage.channels
        for block in range(stage.blocks):
            at = f"layer{number}.{block}"
            widths = ((channels, middle, 1), (middle, middle, 3), (middle, stage.channels, 1))
            for place, (before, after, kernel) in enumerate(widths):
                entries += _conv(f"{at}.layer.{place}.0", before, after, kernel, norm=f"{at}.layer.{place}.1")
            halves = stage.halves_last and block == stage.blocks - 1
            shortcut = f"{at}.{'downsize' if halves else 'make_equal_channel'}"
            alike = channels == stage.channels and not halves
            entries += _conv(f"{shortcut}.0", channels, stage.channels, 1, norm=f"{shortcut}.1", optional=alike)
            channels = stage.channels
    return (*entries, Entry("fc.weight", (10, channels)), Entry("fc.bias", (10,)))


HOMEWORK = Homework(
    name="resnet50",
    title="ResNet-50",
    network="ResNet50_layer4",
    arguments=(),
    input_shape=(3, 32, 32),
    classes=10,
    checks=("file", "residual", "bottleneck_resnet", "reference_answers"),
    family=Residual(BOTTLENECK, STAGES, stem=Stem(kernel=7, stride=2, channels=64, pool=True), conv_bias=True),
    optimizer=AskedOptimizer("Adam"),
    full=Protocol("full", epochs=10, time_box_s=2 * 3600),
    preview=Protocol("preview", epochs=10, time_box_s=600, train_images=600, test_images=100),
    images_per_core_s=100.0,
    reference=Reference(
        results=(
            (marked("a report of the course"), 83.41),
            (marked("another report of the course"), 82.51),
            (marked("VGG-16, as the course reports it"), 86.43),
        ),
        conditions=marked("one epoch from the course's own checkpoint"),
    ),
    hand_in="resnet50_skeleton",
    given=("main.py", "vgg16_full.py"),
    recipes=(
        Recipe(
            "resnet50",
            "resnet50_skeleton.py",
            "ResNet50_layer4",
            epochs=40,
            batch_size=256,
            lr=0.2,
            weight_decay=5e-4,
            label_smoothing=0.1,
            larger=40.0,
            answering=("layer4.5.layer.2.1", "layer4.5.make_equal_channel.1"),
        ),
        Recipe(
            "vgg16",
            "vgg16_full.py",
            "VGG16",
            epochs=30,
            batch_size=128,
            lr=0.02,
            weight_decay=5e-4,
            larger=16.0,
            answering=("classifier.1",),
        ),
    ),
    entries=_entries(),
    answers=(
        Answers(
            "a projection on every shortcut",
            373,
            (
                (
                    954.4898621356984,
                    -1172.8252653372708,
                    -3372.4135472194116,
                    -245.83561851039755,
                    895.2502293060365,
                    2179.8678863438554,
                    -1897.4530646519884,
                    -310.13820840187105,
                    550.1682841277278,
                    -2135.845869177691,
                ),
                (
                    911.6115815820859,
                    -1346.0966629535658,
                    -3572.467006620117,
                    -204.9985429172418,
                    1007.883225571508,
                    2406.2895544027033,
                    -1951.4727952714563,
                    -320.6103547198757,
                    536.0158657150226,
                    -2214.3493894988646,
                ),
            ),
        ),
        Answers(
            "projections only where the shape changes",
            317,
            (
                (
                    1292.047795156324,
                    -1145.1860333089187,
                    -1990.20753735732,
                    128.23359988553526,
                    -2987.58061477962,
                    116.19066191673673,
                    -323.15963133939226,
                    -1903.4738645623363,
                    -712.3206791242001,
                    -1536.0418696471913,
                ),
                (
                    1479.5445404716274,
                    -1284.1540831224909,
                    -2120.890492863482,
                    137.74905284643674,
                    -3147.547837744966,
                    234.83400570045168,
                    -336.3902003750132,
                    -1933.9663466539857,
                    -709.224451211774,
                    -1679.3267193951187,
                ),
            ),
        ),
    ),
)
