"""The compiler that is imported later: nothing changes but when."""

import subprocess
import sys

import pytest

from autograder.files import ROOT

pytestmark = pytest.mark.slow  # each imports torch anew

TRAINED = """
import sys
PUT_OFF
import torch, torchvision
torch.manual_seed(1)
net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3))
optimizer = torch.optim.OPTIMIZER
for _ in range(3):
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(net(torch.rand(4, 3, 2, 2)), torch.tensor([0, 1, 2, 0])).backward()
    optimizer.step()
print([value.tolist() for value in net.parameters()], file=sys.stderr)
"""
PUT_OFF = f"sys.path.insert(0, {str(ROOT)!r}); from autograder.proctor import lazy_compiler; lazy_compiler.put_off()"


def run(script: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("optimizer", ["SGD(net.parameters(), lr=0.1, momentum=0.9)", "Adam(net.parameters())"])
def test_a_training_is_the_same_and_never_imports_it(optimizer: str) -> None:
    script = TRAINED.replace("OPTIMIZER", optimizer)
    usual = run(script.replace("PUT_OFF", "") + "print('torch._dynamo.eval_frame' in sys.modules)")
    later = run(script.replace("PUT_OFF", PUT_OFF) + "print('torch._dynamo.eval_frame' in sys.modules)")
    assert (usual.stdout, later.stdout) == ("True\n", "False\n")
    assert usual.stderr == later.stderr != ""


@pytest.mark.parametrize(
    "asked",
    [
        "net = torch.compile(net, backend='eager'); print(net(torch.rand(4, 3, 2, 2)).shape)",
        "import torch._dynamo.config; torch._dynamo.config.suppress_errors = True",
        "from torch._dynamo import optimize",
        "torch._dynamo.reset()",
        "torchvision.ops.roi_align(torch.rand(1, 1, 8, 8), torch.tensor([[0.0, 0, 0, 4, 4]]), 2)",
    ],
)
def test_who_asks_for_it_gets_it(asked: str) -> None:
    script = TRAINED.replace("OPTIMIZER", "SGD(net.parameters(), lr=0.1)").replace("PUT_OFF", PUT_OFF)
    again = "optimizer.zero_grad(); net(torch.rand(4, 3, 2, 2)).sum().backward(); optimizer.step()"
    done = run(f"{script}\n{asked}\n{again}\nprint(type(sys.modules['torch._dynamo']).__name__)")
    kind = done.stdout.splitlines()[-1]
    assert kind == "module" or "roi_align" in asked  # which asks nothing where nothing is compiled
