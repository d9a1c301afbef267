"""What isn't computed must look as if it were: shapes, layouts, types, gradients, and PyTorch's own errors."""

import copy

import pytest
import torch
from torch import nn

from autograder.proctor.skip_convolutions import FILLED, Shortcuts, fill_quickly

CONVOLUTIONS = [
    (nn.Conv2d(3, 8, 3, padding=1), (2, 3, 9, 9)),
    (nn.Conv2d(4, 6, (3, 1), stride=2, bias=False), (2, 4, 9, 7)),
    (nn.Conv2d(4, 8, 3, padding="same", groups=4, dilation=2), (3, 4, 8, 8)),
    (nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), (2, 3, 6, 6)),
    (nn.Conv2d(3, 4, 3), (3, 6, 6)),  # without a batch
    (nn.Conv1d(2, 3, 3), (2, 2, 8)),
    (nn.Conv3d(1, 2, 2), (2, 1, 4, 4, 4)),
    (nn.ConvTranspose2d(3, 5, 2, stride=2), (2, 3, 4, 4)),
    (nn.Conv2d(3, 4, 3).double(), (2, 3, 6, 6)),
]


def backward(module: nn.Module, image: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor | None]]:
    output = module(image)
    output.sum().backward()
    return output, [image.grad, *(parameter.grad for parameter in module.parameters())]


@pytest.mark.parametrize(("module", "shape"), CONVOLUTIONS, ids=lambda one: str(one))
@pytest.mark.parametrize("layout", ["as given", "channels last"])
def test_a_convolution_looks_computed(module, shape, layout):
    module = copy.deepcopy(module)
    image = torch.randn(shape, dtype=next(module.parameters()).dtype)
    if layout == "channels last" and len(shape) == 4:
        module, image = module.to(memory_format=torch.channels_last), image.to(memory_format=torch.channels_last)
    twin = copy.deepcopy(module)
    expected, gradients = backward(module, image.clone().requires_grad_())
    with Shortcuts():
        output, stand_ins = backward(twin, image.clone().requires_grad_())
    assert (output.shape, output.dtype, output.stride()) == (expected.shape, expected.dtype, expected.stride())
    assert output.requires_grad
    for gradient, stand_in in zip(gradients, stand_ins, strict=True):
        assert gradient is not None
        assert stand_in is not None
        assert (stand_in.shape, stand_in.dtype) == (gradient.shape, gradient.dtype)
        assert bool(stand_in.any())
        assert bool(torch.isfinite(stand_in).all())
        stand_in.mul_(2)  # it has memory of its own, as a script that clips it in place needs


def test_only_what_wants_a_gradient_gets_one():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3))
    module[0].weight.requires_grad_(False)
    with Shortcuts():
        module(torch.randn(2, 3, 8, 8)).sum().backward()
    assert [parameter.grad is not None for parameter in module.parameters()] == [False, True, True, True]


@pytest.mark.parametrize(
    ("module", "image"),
    [
        (nn.Conv2d(3, 4, 3), torch.randn(2, 5, 8, 8)),
        (nn.Conv2d(3, 4, 9), torch.randn(2, 3, 8, 8)),
        (nn.Conv2d(3, 4, 3).double(), torch.randn(2, 3, 8, 8)),
        (nn.Conv2d(3, 4, 3), torch.randn(2, 8)),
        (nn.Conv2d(3, 4, 3), torch.randint(9, (2, 3, 8, 8))),
    ],
    ids=["channels", "too large", "type", "dimensions", "integers"],
)
def test_what_pytorch_refuses_it_refuses_itself(module, image):
    with pytest.raises(RuntimeError) as refused:
        module(image)
    with Shortcuts(), pytest.raises(RuntimeError) as still:
        module(image)
    assert str(still.value) == str(refused.value)


def test_a_value_changed_before_its_gradient_was_made_is_an_error():
    first, second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)
    with Shortcuts():
        between = first(torch.randn(2, 3, 8, 8))
        output = second(between)
        between.add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            output.sum().backward()


def test_a_graph_is_gone_after_its_backward():
    with Shortcuts():
        loss = nn.Conv2d(3, 4, 3)(torch.randn(2, 3, 8, 8)).sum()
        loss.backward()
        with pytest.raises(RuntimeError, match="a second time"):
            loss.backward()


def test_big_weights_are_filled_quickly_and_all_others_as_ever():
    def weights() -> list[torch.Tensor]:
        torch.manual_seed(1)
        return [nn.Conv2d(128, 128, 3).weight, nn.Conv2d(3, 4, 3).weight, nn.Linear(300, 300).weight]

    real = weights()
    assert real[0].numel() > FILLED > real[1].numel()
    end = fill_quickly()
    try:
        quick = weights()
        with pytest.raises(RuntimeError, match="leaf Variable"):
            nn.Conv2d(128, 128, 3).weight.normal_()
    finally:
        end()
    assert not torch.equal(quick[0], real[0])
    assert 0.01 < quick[0].detach().std().item() < 0.04
    torch.manual_seed(1)
    assert torch.equal(nn.Conv2d(128, 128, 3).weight, real[0])  # ended
    assert "uniform_" not in vars(torch.Tensor)
