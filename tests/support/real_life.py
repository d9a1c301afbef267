"""Scripts from real life: right hw6 files with one thing in them that people have at home, or on Colab.

Called by `tests/runner/test_real_life.py`. A row is a right script with some lines exchanged, or a notebook of its
cells, and what a look at it rightly gives.
"""

import json
from pathlib import Path
from typing import NamedTuple

from autograder.course import packages as packages_there

RIGHT = (Path(__file__).parent.parent / "scripts" / "hw6_right.py").read_text()
HEAD = RIGHT[: RIGHT.index("# Q1")]
SETTINGS = RIGHT[RIGHT.index("# Q1") : RIGHT.index("transform =")]
DATA = RIGHT[RIGHT.index("transform =") : RIGHT.index("class Block")]
NETWORK = RIGHT[RIGHT.index("class Block") : RIGHT.index("# Q3")]
MAKE = RIGHT[RIGHT.index("# Q3") : RIGHT.index("for epoch in")]
TRAINING = RIGHT[RIGHT.index("for epoch in") : RIGHT.index("net.eval()")]
TESTING = RIGHT[RIGHT.index("net.eval()") :]

STEP = "        optimizer.step()\n"
NET = "net = IdentityResNet(2, 2, 2, 2).to(device)\n"
TRAINLOADER = "trainloader = torch.utils.data.DataLoader(trainset, batch_size=batch_size, shuffle=True)\n"
FIRST = "import torch\nimport torch.nn as nn\n"
LAST = 'print(f"{100 * correct / total} %")\n'
LOOP = "    for images, labels in trainloader:\n"
MOVED = "        images, labels = images.to(device), labels.to(device)\n"


class Script(NamedTuple):
    """A script, and what is right about it.

    Attributes:
        text: the script; of a notebook its JSON, where `name` ends with .ipynb.
        fails: ids of the required checks that fail.
        says: what the first failure says, in part.
        line: a part of the line that the first failure is told at, "" where it is told at none.
        absent: packages that are taken for missing.
        beside: what was handed in beside the file: a path and its bytes each.
    """

    name: str
    text: str
    fails: tuple[str, ...] = ()
    says: str = ""
    line: str = ""
    absent: tuple[str, ...] = ()
    beside: tuple[tuple[str, bytes], ...] = ()


def changed(*pairs: tuple[str, str]) -> str:
    """The right script with each first text, which is there once, exchanged for the second."""
    text = RIGHT
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def first(text: str, *pairs: tuple[str, str]) -> str:
    """The same with `text` after the first imports."""
    return changed((FIRST, FIRST + text), *pairs)


def last(text: str, *pairs: tuple[str, str]) -> str:
    """The same with `text` at the end."""
    return changed(*pairs) + text


def notebook(*cells: str) -> str:
    """A notebook of these code cells."""
    made = [
        {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": text} for text in cells
    ]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 4})


def older_notebook(version: int, *cells: str) -> str:
    """A notebook of these code cells in format 2 or 3, where cells lie in a sheet and hold an `input`."""
    made = [
        {"cell_type": "code", "language": "python", "collapsed": False, "outputs": [], "input": text} for text in cells
    ]
    held = {"worksheets": [{"cells": made, "metadata": {}}], "metadata": {"name": ""}, "nbformat": version}
    return json.dumps(held | ({"nbformat_minor": 0} if version == 3 else {}))


def main_function(before: str, *pairs: tuple[str, str]) -> str:
    """The right script with all but its network in a function, which `before` begins."""
    inside = SETTINGS + DATA + MAKE + TRAINING + TESTING
    for old, new in pairs:
        assert inside.count(old) == 1, old
        inside = inside.replace(old, new)
    indented = "".join(f"    {line}" if line.strip() else line for line in (before + inside).splitlines(keepends=True))
    return f"{HEAD}\n{NETWORK}\ndef main():\n{indented}\n\nif __name__ == '__main__':\n    main()\n"


TENSORS = """\
trainset = torchvision.datasets.CIFAR10(root="./data", train=True, download=True)
testset = torchvision.datasets.CIFAR10(root="./data", train=False, download=True)
mean = torch.tensor(trainset.data).float().mean((0, 1, 2))
deviation = torch.tensor(trainset.data[:1000]).float().std((0, 1, 2))


def prepared(pixels):
    return ((torch.from_numpy(pixels).float() - mean) / deviation).permute(0, 3, 1, 2)


"""
BY_INDEX = """\
targets = torch.tensor(trainset.targets)
for epoch in range(5):
    net.train()
    for chosen in torch.randperm(len(targets)).split(100):
        images, labels = prepared(trainset.data[chosen.numpy()]).to(device), targets[chosen].to(device)
        optimizer.zero_grad()
        loss = criterion(net(images), labels)
        loss.backward()
        optimizer.step()
"""
AROUND = """
class With(torch.utils.data.Dataset):
    def __init__(self, inner, transform):
        self.inner, self.transform = inner, transform
    def __len__(self):
        return len(self.inner)
    def __getitem__(self, at):
        image, label = self.inner[at]
        return self.transform(image), label
trainset.transform = None
trainset = With(torch.utils.data.random_split(trainset, [0.9, 0.1])[0], transform)
"""
TOGETHER = """
def together(items):
    return torch.stack([transform(image) for image, _ in items]), torch.tensor([label for _, label in items])
trainset.transform = None
"""
BY_SLICE = """\
net.eval()
correct = 0
with torch.no_grad():
    for start in range(0, len(testset), 500):
        outputs = net(prepared(testset.data[start : start + 500]).to(device))
        correct += (outputs.argmax(1).cpu() == torch.tensor(testset.targets[start : start + 500])).sum().item()
print(correct)
"""
UNPICKLED = """\
import pickle
import numpy as np
torchvision.datasets.CIFAR10("./here", download=True)
def batch(name):
    with open(f"./here/cifar-10-batches-py/{name}", "rb") as file:
        held = pickle.load(file, encoding="latin1")
    assert len(held["data"]) == len(held["labels"]) == len(held["filenames"]) == 10000
    return torch.tensor(held["data"].reshape(-1, 3, 32, 32) / 255.0).float(), torch.tensor(held["labels"])
with open("./here/cifar-10-batches-py/batches.meta", "rb") as file:
    assert len(pickle.load(file, encoding="latin1")["label_names"]) == 10
trainset = torch.utils.data.TensorDataset(*batch("data_batch_5"))
testset = torch.utils.data.TensorDataset(*batch("test_batch"))
"""
ASKS_WORKER = """\
class Asked(torch.utils.data.Dataset):
    def __init__(self, inner):
        self.inner, self.rank = inner, None
    def __len__(self):
        return len(self.inner)
    def __getitem__(self, at):
        assert self.rank is not None and torch.utils.data.get_worker_info().num_workers == 3
        return self.inner[at]
def ready(number):
    info = torch.utils.data.get_worker_info()
    assert info.id == number
    info.dataset.rank = number
    torch.manual_seed(info.seed % 2**31)
"""
GPU = (("device",), "a GPU asked for by name")


def packages() -> list[Script]:
    """Packages that only watch, and packages that compute."""
    return [
        Script(
            "wandb keeps the settings",
            changed(
                (FIRST, FIRST + "import wandb\nwandb.init(config={'lr': 0.01, 'epochs': 5})\nconfig = wandb.config\n"),
                ("lr=0.001", "lr=config.lr"),
                ("range(5)", "range(config['epochs'])"),
                (STEP, STEP + "        wandb.log({'loss': loss.item()})\n"),
            ),
        ),
        Script(
            "a run of wandb is a context",
            main_function("import wandb\nwith wandb.init(project='x') as run:\n    run.config.update({'a': 1})\n"),
        ),
        Script(
            "a writer of TensorBoard is subclassed",
            first(
                "from torch.utils.tensorboard import SummaryWriter\n"
                "class Writer(SummaryWriter):\n    def loss(self, x):\n"
                "        self.add_scalar('loss', x)\nwriter = Writer('runs')\n",
                (STEP, STEP + "        writer.loss(loss.item())\n"),
            ),
            absent=("tensorboard",),
        ),
        Script(
            "operations are counted",
            last(
                "from thop import profile\nmacs, count = profile(net, (images,))\nprint(f'{macs / 1e9:.2f}', count)\n"
            ),
        ),
        Script(
            "a bar goes around the loader",
            changed(
                (FIRST, FIRST + "from fastprogress import master_bar, progress_bar\nbar = master_bar(range(5))\n"),
                ("for epoch in range(5):\n", "for epoch in bar:\n"),
                ("in trainloader", "in progress_bar(trainloader, parent=bar)"),
            ),
        ),
        Script(
            "tqdm isn't here",
            first(
                "from tqdm import tqdm, trange\n",
                ("in range(5)", "in trange(5)"),
                ("in trainloader", "in (bar := tqdm(trainloader))"),
                (STEP, STEP + "        bar.set_postfix(loss=loss.item())\n"),
            ),
            absent=("tqdm",),
        ),
        Script(
            "what comes with the set-up",
            first(
                "import sklearn.metrics, pandas, scipy.stats, IPython, "
                + ", ".join(sorted(packages_there.GRADED_WITH))
                + "\n"
                "assert len(pandas.DataFrame({'loss': [1.0]})) == 1\n"
                "print(sklearn.metrics.confusion_matrix([0, 1], [1, 1]))\n"
            ),
        ),
        Script("a decorator measures memory", main_function("from memory_profiler import profile\n")),
        Script(
            "Colab uploads",
            first("from google.colab import drive, files\ndrive.mount('/content/drive', force_remount=True)\n"),
        ),
        Script("Drive is entered", first("import os\nos.chdir('/content/drive/MyDrive/hw6')\nprint(os.getcwd())\n")),
        Script(
            "a package is tried",
            first("try:\n    from apex import amp\nexcept ImportError:\n    amp = None\nassert amp is None\n"),
        ),
        Script(
            "a package is tried in one line",
            first("import contextlib\nwith contextlib.suppress(ImportError):\n    from apex import amp\n"),
        ),
        Script(
            "versions are printed",
            first(
                "import timm, wandb\nfrom dotenv import load_dotenv\nload_dotenv()\n"
                "print(wandb.__version__, timm.__version__, torch.__version__)\n"
            ),
        ),
        *(
            Script(
                f"figures by {backend}",
                first(f"import matplotlib\nmatplotlib.use('{backend}')\nimport matplotlib.pyplot as plt\nplt.ion()\n")
                + "plt.plot([1, 2])\nplt.show(block=True)\nplt.savefig('curve.png')\n",
            )
            for backend in ("TkAgg", "Qt5Agg", "MacOSX")
        ),
        Script("a package is imported for nothing", first("import timm\nimport albumentations.pytorch as A\n")),
        Script(
            "a package names a type",
            first("import xgboost as xg\n\n\ndef table(rows: xg.DMatrix | None) -> xg.Booster:\n    return rows\n"),
        ),
        Script(
            "a table comes after the test", last("import polars as pl\nprint(pl.DataFrame({'right': [correct]}))\n")
        ),
        Script(
            "a package augments",
            changed(
                (DATA[: DATA.index("trainset")], "import kornia\ntransform = kornia.augmentation.RandomCrop(32)\n")
            ),
            ("runs",),
            "kornia",
            "RandomCrop",
        ),
        Script(
            "a package is in the network",
            changed(
                ("        x = x.view(x.size(0), -1)\n", "        x = einops.rearrange(x, 'n c h w -> n (c h w)')\n"),
                (FIRST, FIRST + "import einops\n"),
            ),
            ("runs",),
            "einops",
        ),
        Script("all of a package", first("from fastai.vision.all import *\n"), ("runs",), "fastai", "fastai"),
    ]


def processes() -> list[Script]:
    """Workers, and processes that train."""
    return [
        Script("spawn in main", main_function("torch.multiprocessing.set_start_method('spawn')\n")),
        Script(
            "the start method is told",
            first(
                "import multiprocessing as mp\nmp.set_start_method('forkserver')\n"
                "assert mp.get_start_method() == 'forkserver'\n"
            ),
        ),
        Script(
            "workers stay and are waited for",
            changed(
                (
                    "trainset, batch_size=batch_size, shuffle=True",
                    "trainset, batch_size=batch_size, shuffle=True, num_workers=2, timeout=9, prefetch_factor=4, "
                    "persistent_workers=True, multiprocessing_context='spawn', pin_memory=True",
                )
            ),
        ),
        Script(
            "a dataset asks which worker it is in",
            changed(
                (
                    "class Block",
                    f"{ASKS_WORKER}trainloader = torch.utils.data.DataLoader(Asked(trainset), 16, True, "
                    "num_workers=3, worker_init_fn=ready)\n\n\nclass Block",
                ),
            ),
        ),
        Script(
            "one process is spawned",
            main_function("")
            .replace("def main():", "def main(rank, size):")
            .replace("    main()\n", "    torch.multiprocessing.spawn(main, args=(1,), nprocs=1)\n"),
        ),
        Script("compiled", changed((NET, NET + "net = torch.compile(net)\n"))),
        Script(
            "parallel after it is moved",
            changed((NET, NET + "net = nn.DataParallel(net)\n")),
        ),
        Script(
            "spread over the first GPU, in a group of one",
            changed(
                (
                    NET,
                    "import torch.distributed as dist\n"
                    "dist.init_process_group('nccl', init_method='tcp://localhost:29611', rank=0, world_size=1)\n"
                    + NET
                    + "net = nn.parallel.DistributedDataParallel(net, device_ids=[0])\n",
                )
            ),
            *GPU,
            "init_process_group",
        ),
    ]


def data() -> list[Script]:
    """Other ways to the images, and to the disk."""
    return [
        Script("tensors and permuted indices", HEAD + SETTINGS + TENSORS + NETWORK + MAKE + BY_INDEX + BY_SLICE),
        Script(
            "a dataset around the dataset",
            changed(
                (TRAINLOADER, AROUND + TRAINLOADER),
                ("testloader =", "testset.transform = None\ntestset = With(testset, transform)\ntestloader ="),
            ),
        ),
        Script(
            "batches are put together by the script",
            changed(
                (TRAINLOADER, TOGETHER + TRAINLOADER.replace("shuffle=True", "shuffle=True, collate_fn=together")),
            ),
        ),
        Script(
            "batches are normalised in the loop",
            changed((MOVED, "        images, labels = ((images - 0.1) / 0.3).to(device), labels.to(device)\n")),
        ),
        Script(
            "the mean is taken in a pass of its own",
            changed((NET, "mean = sum(images.mean() for images, _ in trainloader) / len(trainloader)\n" + NET)),
        ),
        Script(
            "batches are kept",
            changed(
                ("net = IdentityResNet", "batches = list(trainloader)\nnet = IdentityResNet"),
                (LOOP, "    for images, labels in batches:\n"),
            ),
        ),
        Script(
            "batches are unpickled",
            changed(
                (DATA[DATA.index("trainset =") : DATA.index("trainloader")], UNPICKLED),
                (DATA[DATA.index("testset =") : DATA.index("testloader")], ""),
            ),
        ),
        Script(
            "folders that were made by hand",
            last(
                "import numpy as np, pathlib, matplotlib.pyplot as plt\n"
                "torch.save(net.state_dict(), 'runs/first/net.pt')\nnp.save('numbers/all.npy', np.zeros(3))\n"
                "pathlib.Path('logs/today.txt').write_text('x')\nplt.savefig('plots/curve.png')\n"
                "with open('csv/losses.csv', 'a') as file:\n    file.write('1')\n"
                "import pandas as pd\npd.DataFrame({'loss': [1.0]}).to_csv('tables/new/losses.csv')\n"
                "torch.save(obj=1, f='runs/second/one.pt')\n"
                "torch.jit.trace(net, torch.zeros(1, 3, 32, 32)).save('traced/net.pt')\n"
            ),
        ),
        *own_modules(),
        Script(
            "Colab's and Kaggle's folders",
            last(
                "torch.save(net.state_dict(), '/content/net.pt')\ntorch.save(1, '/content/drive/MyDrive/hw6/one.pt')\n"
                "open('/kaggle/working/submission.csv', 'w').write('1')\n"
                "assert torch.load('/content/drive/MyDrive/hw6/one.pt')\n"
            ),
        ),
        Script(
            "absolute paths of one's own machine",
            changed(
                (FIRST, FIRST + "import os\nos.makedirs('/scratch/kim/hw6/nets', exist_ok=True)\n"),
                (
                    "    print(epoch, loss.item())\n",
                    "    torch.save(net.state_dict(), '/scratch/kim/hw6/nets/best.pt')\n",
                ),
                ("net.eval()\n", "net.load_state_dict(torch.load('/scratch/kim/hw6/nets/best.pt'))\nnet.eval()\n"),
                (
                    LAST,
                    LAST
                    + "open('/projects/out/log.txt', 'w').write('1')\nassert open('/projects/out/log.txt').read()\n",
                ),
            ),
        ),
        Script("one's own folder is entered", first("import os\nos.chdir('/scratch/kim/hw6')\n")),
        Script(
            "a root of one's own",
            changed(
                ('root="./data", train=True', "root=os.path.expanduser('~/datasets/cifar'), train=True"),
                ('root="./data", train=False', "root='/content/data', train=False"),
                (FIRST, FIRST + "import os\n"),
            ),
        ),
        Script(
            "what isn't there can't be read", first("open('notes/yesterday.txt')\n"), ("runs",), "FileNotFound", "open("
        ),
        Script(
            "nothing can be fetched",
            first("import torch.hub\ntorch.hub.load_state_dict_from_url('https://download.pytorch.org/x.pth')\n"),
            ("runs",),
            "no network",
            "load_state",
        ),
    ]


def own_modules() -> list[Script]:
    """A network, or the whole training, in modules beside the file."""
    network = (HEAD + NETWORK).encode()
    imported = "from net import IdentityResNet\n\n\n"
    return [
        Script("the network is in a module", changed((NETWORK, imported)), beside=(("net.py", network),)),
        Script(
            "the block is in a package",
            changed((NETWORK, "from parts.net import IdentityResNet\nimport parts\n\n\n")),
            beside=(("parts/__init__.py", b"from . import net\n"), ("parts/net.py", network)),
        ),
        Script(
            "settings are in a file",
            changed(
                (FIRST, FIRST + "import json\nsettings = json.load(open('settings.json'))\n"),
                ("lr=0.001", "lr=settings['lr']"),
            ),
            beside=(("settings.json", b'{"lr": 0.001}'),),
        ),
        Script(
            "the file is copied beside its results",
            last(
                "import os, shutil\nos.makedirs('runs/1')\nshutil.copy('hw6.py', 'runs/1')\n"
                "shutil.copy(__file__, 'runs/1/again.py')\nopen('log.txt', 'w').write('new')\n"
            ),
            beside=(("log.txt", b"old"),),
        ),
        Script("a module was left at home", changed((NETWORK, imported)), ("runs",), "net", "net = Id"),
        Script(
            "a module of a notebook.ipynb",
            notebook(HEAD, SETTINGS, DATA, imported, MAKE, TRAINING, TESTING),
            beside=(("net.py", network),),
        ),
    ]


def gpu() -> list[Script]:
    """A GPU by its name, where there is none."""
    rows = {
        "a layer on the GPU": ((NET, "nn.Linear(2, 2, device='cuda')\n" + NET), "nn.Linear"),
        "by number": ((MOVED, "        images, labels = images.to(0), labels.to(0)\n"), "images.to(0)"),
        "a batch like another": ((MOVED, MOVED + "        torch.zeros_like(images, device='cuda')\n"), "zeros_like"),
        "what is new": ((MOVED, MOVED + "        images.new_zeros(3, device='cuda:0')\n"), "new_zeros"),
        "by default": ((NET, "torch.set_default_device('cuda')\n" + NET), "set_default"),
        "as a context": ((NET, "with torch.device('cuda'):\n    " + NET), "with torch.device"),
        "a stream": ((NET, NET + "with torch.cuda.stream(torch.cuda.Stream()):\n    pass\n"), "Stream()"),
        "a type as a word": ((MOVED, "        images = images.type('torch.cuda.FloatTensor')\n"), "FloatTensor"),
        "its memory": ((NET, NET + "print(torch.cuda.mem_get_info(), torch.cuda.memory_summary())\n"), "mem_get_info"),
        "its properties": ((NET, NET + "print(torch.cuda.get_device_properties(0).total_memory)\n"), "properties"),
    }
    harmless = {
        "pinned": (MOVED, "        images = images.pin_memory().to(device, non_blocking=True)\n"),
        "mixed precision": (
            NET,
            NET
            + "scaler = torch.amp.GradScaler(enabled=False)\ntorch.cuda.manual_seed_all(1)\ntorch.cuda.empty_cache()\n",
        ),
        "what works without one": (NET, NET + "print(torch.cuda.memory_allocated(), torch.cuda.device_count())\n"),
    }
    found = [Script(f"GPU: {name}", changed(pair), *GPU, line) for name, (pair, line) in rows.items()]
    return found + [Script(f"GPU: {name}", changed(pair)) for name, pair in harmless.items()]


def notebooks() -> list[Script]:
    """What runs in every Jupyter."""
    rest = (HEAD, SETTINGS, DATA, NETWORK, MAKE, TRAINING, TESTING)
    rows: dict[str, tuple[tuple[str, ...], str, str]] = {
        "run": (("%%writefile setup_all.py\nready = 3\n", "%run setup_all.py\nassert ready == 3", *rest), "", ""),
        "magics above a cell": (("%%time\n%%capture out\n" + HEAD, *rest[1:], "print(out.show())"), "", ""),
        "shell in a branch": (
            ("import sys\nif 'google.colab' in sys.modules:\n    !pip install torch\n", *rest),
            "",
            "",
        ),
        "shell makes a folder": (("!mkdir -p one/two", *rest, "open('one/two/x', 'w')"), "", ""),
        "a folder is entered": (
            ("!mkdir -p hw6", "%cd hw6", *rest, "import os\nassert os.getcwd().endswith('hw6')"),
            "",
            "",
        ),
        "a variable is set": (("%env SEED=7\nimport os\nassert os.environ['SEED'] == '7'", *rest), "", ""),
        "shell in a cell": (
            ("%%bash\npip install -q wandb\nmkdir -p one/two\ntouch one/two/x", *rest, "open('one/two/x')"),
            "",
            "",
        ),
        "files without a sign": (("%mkdir -p one\n%cp hw6.py one/again.py", *rest, "open('one/again.py')"), "", ""),
        "a cell is watched": (("%%wandb\n" + HEAD, *rest), "", ""),
        "shell is kept": (("names = !ls -a\nassert '.' in names, names", *rest), "", ""),
        "magic without a sign": ((*rest, "pip install seaborn", "ls", "pwd"), "", ""),
        "help is asked": (("import torch\ntorch.nn.Linear?", *rest), "", ""),
        "await": (("import asyncio\nawait asyncio.sleep(0)", *rest), "", ""),
        "shown": (
            (*rest, "display(net)\nfrom IPython.display import display, clear_output\nclear_output(True)"),
            "",
            "",
        ),
        "a note between": ((HEAD, "a note to myself", *rest[1:]), "invalid syntax", "a note to myself"),
        "an unfinished loop at the end": ((*rest, "for x in range(3):"), "expected an indented block", "for x in"),
    }
    return [
        Script(f"{name}.ipynb", notebook(*cells), ("runs",) if says else (), says, line)
        for name, (cells, says, line) in rows.items()
    ] + [
        *(Script(f"format {version}.ipynb", older_notebook(version, *rest)) for version in (2, 3)),
        Script("exported by nbconvert", first("get_ipython().run_line_magic('matplotlib', 'inline')\n")),
        Script(
            "the class's name is used again",
            last(
                "def IdentityResNet(x):\n    return x\n",
                (
                    "        super().__init__()\n        self.conv =",
                    "        super(IdentityResNet, self).__init__()\n        self.conv =",
                ),
            ),
        ),
    ]


def commands() -> list[Script]:
    """Notebooks that write a script, and train by a command."""
    asks = "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--lr', type=float, default=0.1)\n"
    asks += "lr = parser.parse_args().lr\nassert lr == 0.01\n"
    training = asks + RIGHT.replace("lr=0.001", "lr=lr")
    rows: dict[str, tuple[str, ...]] = {
        "and keeps what it prints": ("!python -u train.py --lr 0.01 2>&1 | tee log.txt",),
        "with a variable before it": ("!CUDA_VISIBLE_DEVICES=0 nohup python3 train.py --lr=0.01 > log.txt &",),
        "with the notebook's values": (
            "rate = {'first': 0.01}\nname = 'train.py'",
            "!python $name --lr {rate['first']}",
        ),
        "among others": ("!mkdir -p src && cp train.py src/ && cd src && python train.py --lr 0.01; ls",),
        "in a cell": ("%%bash\nmkdir -p out\npython train.py --lr 0.01\nls out",),
        "by torchrun": ("!torchrun --nproc_per_node=1 train.py --lr 0.01",),
    }
    return [
        Script(f"trains by a command {name}.ipynb", notebook(f"%%writefile train.py\n{training}", *cells))
        for name, cells in rows.items()
    ] + [
        Script(
            "a folder's name is the notebook's.ipynb",
            notebook(
                *(
                    "run = 'runs/first'",
                    "!mkdir -p {run}/plots $run/nets",
                    HEAD,
                    SETTINGS,
                    DATA,
                    NETWORK,
                    MAKE,
                    TRAINING,
                ),
                *(TESTING, "import os\nassert sorted(os.listdir(run)) == ['nets', 'plots']"),
            ),
        ),
    ]


def exits() -> list[Script]:
    """Scripts that end themselves."""
    asks = "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--lr', default=0.1)\n"
    return [
        Script("ends at its end", last("import sys\nsys.exit(0)\n")),
        Script(
            "main's answer is the status", main_function("").replace("    main()\n", "    raise SystemExit(main())\n")
        ),
        Script(
            "waits for a key", last("input('Press Enter to leave ')\n", (NET, "seed = input('seed? ') or 1\n" + NET))
        ),
        Script("options have defaults", first(asks + "parser.parse_args()\n")),
        Script(
            "an option has to be given",
            first(asks + "parser.add_argument('folder')\nparser.parse_args()\n"),
            ("runs",),
            "folder",
            "parse_args",
        ),
        Script("leaves in words", first("import sys\nsys.exit('give a GPU')\n"), ("runs",), "give a GPU", "sys.exit"),
    ]


ONE_BATCH = """
some, truths = next(iter(trainloader))
tried = IdentityResNet(2, 2, 2, 2)
trying = torch.optim.Adam(tried.parameters())
for attempt in range(5):
    trying.zero_grad()
    nn.functional.cross_entropy(tried(some[:8]), truths[:8]).backward()
    trying.step()
"""

STEPS = TRAINING[TRAINING.index("        # Q5") : TRAINING.index("    print(epoch")]
IN_CLOSURE = """\
        def closure():
            optimizer.zero_grad()
            loss = criterion(net(images), labels)
            loss.backward()
            return loss
        loss = optimizer.step(closure)
"""

NINE = """
import matplotlib.pyplot as plt
images, labels = next(iter(trainloader))
figure, axes = plt.subplots(3, 3)
for at, ax in enumerate(axes.flat):
    ax.imshow(images[at].permute(1, 2, 0) / 2 + 0.5)
    ax.set_title(labels[at].item())
"""


def whole_batches() -> list[Script]:
    """What counts on as many images in a training batch as were asked for."""
    loss = "        loss = criterion(outputs, labels)\n"
    one_by_one = "        loss = -F.log_softmax(outputs, 1)[torch.arange(batch_size), labels].mean()\n"
    hardest = "        loss = F.cross_entropy(outputs, labels, reduction='none').topk(batch_size // 2).values.mean()\n"
    return [
        Script("nine images are shown", changed((NET, NINE + NET))),
        Script(
            "labels are printed",
            changed((NET, "_, some = next(iter(trainloader))\nprint([some[at] for at in range(batch_size)])\n" + NET)),
        ),
        Script(
            "images are mixed",
            changed((MOVED, MOVED + "        images = (images + images[torch.randperm(batch_size)]) / 2\n")),
        ),
        Script("a loss for each row", changed((loss, one_by_one))),
        Script("the hardest half", changed((loss, hardest))),
        Script(
            "a batch goes through in parts",
            changed(("        outputs = net(images)\n", "        outputs = torch.cat([*map(net, images.chunk(4))])\n")),
        ),
        Script(
            "the network answers with its features too",
            changed(
                ("        return self.fc(x)\n", "        return self.fc(x), x\n"),
                ("        outputs = net(images)\n", "        outputs, features = net(images)\n"),
                ("outputs = net(images.to(device))", "outputs, features = net(images.to(device))"),
            ),
            ("output-shape",),
            "tuple",
        ),
        Script(
            "shapes are asserted",
            changed((loss, "        assert images.shape[0] == outputs.shape[0] == batch_size\n" + loss)),
        ),
    ]


EVERY = """
        running_loss += loss.item()
        if at % 2000 == 1999:
            history.append(running_loss / 2000)
            running_loss = 0.0
"""
ANSWERS = (
    ("correct, total = 0, 0\n", "correct, total, answers = 0, 0, []\n"),
    (
        "        total += labels.size(0)\n",
        "        total += labels.size(0)\n        answers += outputs.argmax(1).tolist()\n",
    ),
)
TAKEN = """\
    batches = iter(trainloader)
    for _ in range(100):
        images, labels = next(batches)
"""
MORE_EPOCHS = (
    ("range(5)", "range(20)"),
    ("    net.train()\n", "    net.train()\n    right = seen = 0\n"),
    (STEP, STEP + "        right += (outputs.argmax(1) == labels).sum().item()\n        seen += len(labels)\n"),
    ("print(epoch, loss.item())", "print(epoch, right / seen)"),
)


def lengths() -> list[Script]:
    """What counts on whole epochs, and on the whole test set."""
    counted = "    for at, (images, labels) in enumerate(trainloader):\n"
    return [
        Script("the test set is counted", last("assert total == len(testset) == 10000\n")),
        Script(
            "answers are compared with the targets",
            last("import numpy as np\nprint((np.array(answers) == np.array(testset.targets)).mean())\n", *ANSWERS),
        ),
        Script("answers are looked up", last("print(answers[9999], testset.targets[9999])\n", *ANSWERS)),
        Script(
            "every tenth of an epoch",
            changed(
                (LOOP, counted),
                (STEP, STEP + "        if at % (len(trainloader) // 10) == 0:\n            print(at)\n"),
            ),
        ),
        Script(
            "every 2,000 batches",
            changed(
                ("for epoch in range(5):\n", "history, running_loss = [], 0.0\nfor epoch in range(5):\n"),
                (LOOP, counted),
                (STEP, STEP + EVERY),
                ("net.eval()\n", "print(history[0], history[-1])\nnet.eval()\n"),
            ),
        ),
        Script(
            "the mean of each epoch",
            changed(
                ("for epoch in range(5):\n", "losses = []\nfor epoch in range(5):\n"),
                (STEP, STEP + "        losses.append(loss.item())\n"),
                ("net.eval()\n", "print(torch.tensor(losses).view(5, -1).mean(1))\nnet.eval()\n"),
            ),
        ),
        Script("batches are taken by next", changed((LOOP, TAKEN))),
        Script("more epochs than were asked for", changed(*MORE_EPOCHS)),
        Script("more epochs, and the whole test set", last("assert total == 10000\n", *MORE_EPOCHS)),
        Script(
            "an accuracy is asserted",
            last("assert correct / total > 0.7\n"),
        ),
        Script(
            "an index that no test set has",
            last("print(answers[10000])\n", *ANSWERS),
            ("runs",),
            "IndexError",
            "answers[10000]",
        ),
    ]


def exports() -> list[Script]:
    """Other networks beside the one that is trained, and files made of it, that nothing of the training depends on."""
    swa = "from torch.optim.swa_utils import AveragedModel, update_bn\n"
    head = "class Head(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    head += "        self.one = nn.Linear(10, 2)\n    def forward(self, x):\n        return self.one(x).relu()\n"
    return [
        Script("one batch is learned by heart first", changed((NET, ONE_BATCH + NET))),
        Script(
            "a lazy layer on a device",
            changed(
                ("nn.Linear(512, 10)", "nn.LazyLinear(10)"), (NET, f"{NET}net(torch.zeros(1, 3, 32, 32).to(device))\n")
            ),
        ),
        Script(
            "blocks are computed again in the backward pass",
            changed(
                ("        x = self.stage3(x)\n", "        x = recomputed(self.stage3, x, use_reentrant=False)\n"),
                (FIRST, FIRST + "from torch.utils.checkpoint import checkpoint as recomputed\n"),
            ),
        ),
        Script("the step takes all of it as a closure", changed((STEPS, IN_CLOSURE))),
        *whole_batches(),
        Script(
            "weights are averaged",
            last(
                "update_bn(trainloader, averaged)\n",
                (NET, NET + swa + "averaged = AveragedModel(net)\n"),
                (STEP, STEP + "        averaged.update_parameters(net)\n"),
            ),
        ),
        Script(
            "traced and saved",
            last(
                "traced = torch.jit.trace(net, torch.zeros(1, 3, 32, 32))\ntraced.save('net.pt')\n"
                "with torch.no_grad():\n    assert traced(images).shape == (len(images), 10)\n"
            ),
        ),
        Script(
            "scripted",
            last(f"{head}scripted = torch.jit.script(Head())\nassert scripted(outputs).shape == (len(images), 2)\n"),
        ),
        Script(
            "exported, where what PyTorch needs for it isn't installed",
            last("torch.onnx.export(net, torch.zeros(1, 3, 32, 32), 'net.onnx')\n"),
            absent=("onnxscript",),
        ),
    ]


def terminals() -> list[Script]:
    """Scripts that ask how wide the terminal is, as progress bars that are copied from one to the next do."""
    rows = {
        "by stty": "width = int(os.popen('stty size', 'r').read().split()[1])\n",
        "by stty in a shell": "width = int(subprocess.check_output('stty size', shell=True).split()[1])\n",
        "by tput": "width = int(subprocess.check_output(['tput', 'cols']))\n",
        "by os": "width = os.get_terminal_size().columns\n",
    }
    return [
        Script(f"a terminal's width {name}", first(f"import os, subprocess\n{line}assert width == 80\n"))
        for name, line in rows.items()
    ]


def installers() -> list[Script]:
    """Scripts that install what they use, as on Colab and Kaggle."""
    rows = {
        "by pip's module": "subprocess.check_call([sys.executable, '-m', 'pip', 'install', '-q', 'torchinfo'])\n",
        "in a shell": "subprocess.run('pip install -q torchinfo', shell=True, check=True)\n",
        "by os.system": "import os\nos.system('pip install torchinfo')\n",
        "by uv": "subprocess.check_output(['uv', 'pip', 'install', '--system', 'torchinfo'])\n",
    }
    return [
        Script(f"installs {name}", first(f"import subprocess, sys\n{line}import torchinfo\ntorchinfo.summary\n"))
        for name, line in rows.items()
    ]


ALL = [
    *packages(),
    *processes(),
    *data(),
    *gpu(),
    *notebooks(),
    *commands(),
    *exits(),
    *exports(),
    *lengths(),
    *terminals(),
    *installers(),
]
