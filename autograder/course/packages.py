"""Packages that a submission may import: those installed where it is graded, and those that only log or draw.

Read by the proctor, which stands in for the second kind, and by `check`, which tells a student what will be missing.
"""

GRADED_WITH = frozenset(
    (
        *("torch", "torchvision", "numpy", "matplotlib", "PIL", "tqdm", "pandas", "sklearn", "scipy", "tensorboard"),
        *("IPython", "ipywidgets", "yaml", "rich", "psutil", "jinja2", "safetensors", "mpl_toolkits", "pylab"),
        *("networkx", "sympy", "filelock", "fsspec", "typing_extensions", "packaging", "setuptools", "pydantic"),
    )
)
"""What comes with the instructor's set-up, by the names that are imported."""

WATCHING = frozenset(
    (
        *("tensorboard", "tensorboardX", "tensorboard_logger", "wandb", "mlflow", "neptune", "comet_ml", "clearml"),
        *("visdom", "livelossplot", "trackio", "swanlab", "aim", "dvclive", "polyaxon"),
        *("torchsummary", "torchsummaryX", "torchinfo", "torchviz", "torchview", "hiddenlayer", "netron", "ptflops"),
        *("thop", "fvcore", "pthflops", "graphviz", "pydot", "nnviz"),
        *("google.colab", "IPython", "ipywidgets", "ipdb", "ipykernel", "jupyterthemes", "nbdev"),
        *("seaborn", "plotly", "bokeh", "altair", "pyecharts", "plotnine", "mplcyberpunk", "scienceplots", "pygal"),
        *("tqdm", "fastprogress", "alive_progress", "progressbar", "progress", "halo", "rich", "yaspin"),
        *("prettytable", "tabulate", "texttable", "termcolor", "colorama", "colorlog", "coloredlogs", "loguru"),
        *("icecream", "pretty_errors", "crayons", "pyfiglet", "art", "beepy", "playsound", "winsound"),
        *("GPUtil", "pynvml", "gpustat", "nvidia_smi", "memory_profiler", "line_profiler", "pyinstrument"),
        *("snakeviz", "torch_tb_profiler", "nvitop", "py3nvml", "humanize", "codecarbon"),
        *("dotenv", "knockknock", "emoji", "ipympl", "wordcloud", "missingno", "calflops", "torchlens", "torchvista"),
    )
)
"""Packages that only observe, log or draw: a script trains the same without them."""

_PARENTS = ("google.colab",)  # whose first part alone doesn't name the package


def with_parent(module: str) -> str:
    """The package that a module belongs to, as `WATCHING` names it: `google.colab` of `google.colab.drive`."""
    for parent in _PARENTS:
        if module == parent or module.startswith(parent + "."):
            return parent
    return module.partition(".")[0]


def distribution(package: str) -> str:
    """What `pip install` calls the package that is imported by this name."""
    other = {"sklearn": "scikit-learn", "skimage": "scikit-image", "cv2": "opencv-python-headless", "PIL": "pillow"}
    other |= {"yaml": "pyyaml", "pytorch_lightning": "pytorch-lightning", "progressbar": "progressbar2"}
    return other.get(package, package)
