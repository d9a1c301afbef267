"""resnet20: ResNet-20 on CIFAR-10.

Source: "Deep Residual Learning for Image Recognition" (arXiv 1512.03385), section 4.2, and the course's report, which
the reference curve comes from.
"""

from autograder.course.families.residual import POST_ACTIVATION, Residual, Stage
from autograder.course.homework import (
    TRAINING_QUESTIONS,
    AskedOptimizer,
    Homework,
    Protocol,
    Recipe,
    Reference,
)
from autograder.language import marked

HOMEWORK = Homework(
    name="resnet20",
    title="ResNet-20",
    network="ResNet20",
    arguments=(10,),
    other_arguments=((100,),),
    input_shape=(3, 32, 32),
    classes=10,
    checks=("file", "residual", "basic_resnet", "training_step"),
    questions=TRAINING_QUESTIONS,
    family=Residual(
        POST_ACTIVATION,
        stages=(Stage(16, 32, 3), Stage(32, 16, 3), Stage(64, 8, 3)),
        conv_bias=False,
        kaiming=True,
    ),
    optimizer=AskedOptimizer("SGD", momentum=0.9),
    full=Protocol("full", epochs=10, time_box_s=2 * 3600),
    preview=Protocol("preview", epochs=10, time_box_s=600, train_images=400, test_images=100),
    images_per_core_s=200.0,
    tests_epochs=True,
    reference=Reference(
        curve=(
            *((1, 51.46), (2, 62.34), (3, 68.53), (4, 71.87), (5, 68.84), (6, 74.38), (8, 76.23), (10, 68.15)),
            *((15, 74.69), (20, 77.49), (21, 81.24), (27, 81.19), (30, 79.28), (36, 80.14), (40, 79.73)),
            *((45, 80.22), (47, 82.02), (51, 78.57)),
        ),
        curve_name=marked("the course's report"),
        average_error_percent=22.08,
        average_epochs=51,
        results=((marked("the paper (8.75% error)"), 91.25),),
    ),
    # For as many steps as the paper's; nobody's grading goes on from it.
    recipes=(
        Recipe("resnet20-long", "resnet20.py", "ResNet20", epochs=164, batch_size=128, lr=0.2, weight_decay=5e-4),
    ),
)
