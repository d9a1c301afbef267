"""hw6: IdentityResNet, a pre-activation ResNet, on CIFAR-10.

Source: "Identity Mappings in Deep Residual Networks" (arXiv 1603.05027), and the homework's own text.
"""

from autograder.course.families.residual import PRE_ACTIVATION, Residual, Stage
from autograder.course.homework import TRAINING_QUESTIONS, AskedOptimizer, Homework, Protocol

HOMEWORK = Homework(
    name="hw6",
    title="IdentityResNet",
    network="IdentityResNet",
    arguments=(2, 2, 2, 2),
    other_arguments=((1, 1, 1, 1), (2, 3, 4, 5)),
    input_shape=(3, 32, 32),
    classes=10,
    checks=("file", "residual", "identity_resnet", "training_step"),
    questions=TRAINING_QUESTIONS,
    family=Residual(PRE_ACTIVATION, stages=(Stage(64, 32, 2), Stage(128, 16, 2), Stage(256, 8, 2), Stage(512, 4, 2))),
    optimizer=AskedOptimizer("SGD", momentum=0.9),
    full=Protocol("full", epochs=5, time_box_s=2 * 3600),
    preview=Protocol("preview", epochs=5, time_box_s=600, train_images=240, test_images=100),
    images_per_core_s=17.0,
)
