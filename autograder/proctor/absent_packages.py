"""Packages that a script imports and that aren't installed where it runs.

Called by `run_script.comforts`. What only watches or draws (`WATCHING`) is replaced by a stand-in that accepts every
call and does nothing: a script trains with it as it trains without. Any other package fails where it is used, not
where it is imported: a table that is drawn after the test costs nothing then. Where a script is ready for the import
to fail (`try: import apex`), it fails. Only imports by the student's code are answered; PyTorch and its like find what
is installed, and nothing else.
"""

import ast
import difflib
import dis
import importlib.abc
import importlib.machinery
import linecache
import sys
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from autograder.course.packages import GRADED_WITH, WATCHING, with_parent
from autograder.proctor.own_code import is_own, line_in

MOST = 100
ALIKE = 0.86  # difflib's ratio from which on a name is taken for a known one, misspelt
NO_VERSION = "0"  # of a package that isn't here
NEEDS = {"torch.utils.tensorboard": "tensorboard"}
"""Modules that are installed, and need another package as soon as they are imported."""


class MissingPackageError(ModuleNotFoundError):
    """Raised where a package that isn't installed is used. `name` is the package."""


@dataclass
class Absent:
    """A package that isn't here.

    Attributes:
        line: the line of the script that imports it first; None where another file does.
        stood_in: whether a stand-in swallows its calls; else it fails where it is used.
        needed: whether it was used, or its import failed where the script is ready for that.
    """

    name: str
    line: int | None
    stood_in: bool
    needed: bool = False


class Packages(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds modules that no other finder has, for the student's code. Notes its packages in `absent` and `imported`."""

    def __init__(self, as_if_absent: Sequence[str] = ()) -> None:
        self.absent: dict[str, Absent] = {}
        self.imported: dict[str, int | None] = {}  # others, by the line that imports them first
        self._as_if_absent = set(as_if_absent)

    # --- finding ---

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder`."""
        importer = _importer()
        first = name.partition(".")[0]
        if importer is None or (first in sys.stdlib_module_names and first not in WATCHING):
            return None
        package = NEEDS.get(name, name)
        if (spec := self._found(package)) is not None:
            if first == name and not is_own(spec.origin or "") and len(self.imported) < MOST:
                self.imported.setdefault(name, line_in())
            return None
        if any(watching.startswith(f"{name}.") for watching in WATCHING):  # `google` of `google.colab`
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        known = with_parent(package)
        if known not in WATCHING and difflib.get_close_matches(known, GRADED_WITH - {known}, 1, ALIKE):
            return None  # a misspelt name: its import fails, at home too
        if known not in self.absent and len(self.absent) < MOST:
            self.absent[known] = Absent(known, line_in(), known in WATCHING)
            if known in WATCHING:
                print(f"[proctor] {known} isn't installed here: what it would write or draw is left out")
        absent = self.absent.get(known)
        if absent is None:
            return None
        if not absent.stood_in and _is_ready_to_fail(importer):
            absent.needed = True
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def _found(self, name: str) -> importlib.machinery.ModuleSpec | None:
        """The spec that the other finders give; None for a module in a package that isn't here."""
        path = None
        spec = None
        at = sys.meta_path.index(self)
        for count, _part in enumerate(name.split("."), 1):
            part = ".".join(name.split(".")[:count])
            if part in self._as_if_absent or isinstance(sys.modules.get(part), _Swallowing | _Failing):
                return None
            known = sys.modules.get(part)
            if known is not None:
                spec = known.__spec__ or importlib.machinery.ModuleSpec(part, None)
                path = getattr(known, "__path__", None)
                continue
            found = (finder.find_spec(part, path) for finder in sys.meta_path[at + 1 :])
            spec = next((one for one in found if one is not None), None)
            if spec is None:
                return None
            path = spec.submodule_search_locations
        return spec

    # --- loading ---

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """See `importlib.abc.Loader`."""
        absent = self.absent.get(with_parent(NEEDS.get(spec.name, spec.name)))
        return _Swallowing(spec.name) if absent is None or absent.stood_in else _Failing(spec.name, absent)

    def exec_module(self, module: types.ModuleType) -> None:
        """See `importlib.abc.Loader`."""


def watch(as_if_absent: Sequence[str] = ()) -> Packages:
    """Answer imports from now on. `as_if_absent`: packages that aren't here, whatever is installed."""
    packages = Packages(as_if_absent)
    sys.meta_path.insert(0, packages)
    return packages


def _importer() -> types.FrameType | None:
    """The frame of the student's code that imports; None where it is somebody else, or only asks what is there."""
    frame: types.FrameType | None = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith("<frozen importlib") or file == importlib.__file__:
            frame = frame.f_back
            continue
        return frame if is_own(file) else None
    return None


def _is_ready_to_fail(frame: types.FrameType) -> bool:
    """Whether the line that imports stands in a `try` or a `with suppress(...)` that catches what it raises."""
    try:
        tree = ast.parse("".join(linecache.getlines(frame.f_code.co_filename)))
    except (SyntaxError, ValueError, RecursionError):
        return False
    caught = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Try | ast.With) or not any(
            statement.lineno <= frame.f_lineno <= (statement.end_lineno or 0) for statement in node.body
        ):
            continue
        if isinstance(node, ast.Try):
            kinds = [handler.type for handler in node.handlers]
            everything = None in kinds
        else:
            calls = [item.context_expr for item in node.items if isinstance(item.context_expr, ast.Call)]
            kinds = [kind for call in calls if _last_name(call.func) == "suppress" for kind in call.args]
            everything = False
        named = [
            one for kind in kinds if kind is not None for one in (kind.elts if isinstance(kind, ast.Tuple) else [kind])
        ]
        if everything or caught & {_last_name(one) for one in named}:
            return True
    return False


def _last_name(node: ast.expr) -> str:
    """`b` of `b` and of `a.b`."""
    return str(getattr(node, "id", getattr(node, "attr", "")))


# --- what swallows ---


class Nothing:
    """Does nothing, whatever is asked of it. Iterating over it iterates over what it was given, if anything."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        through = [*args[:1], *(kwargs[name] for name in ("iterable", "sequence", "loader") if name in kwargs)]
        vars(self)["_through"] = next((one for one in through if _can_be_gone_through(one)), None)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        only = args[0] if len(args) == 1 and not kwargs else None
        if isinstance(only, types.FunctionType | type):
            return only  # a decorator
        return Nothing(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        if name in ("trange", "tnrange"):
            return lambda *args, **_: range(*args)
        return Nothing()

    def __getitem__(self, _key: Any) -> Any:
        return Nothing()

    def __setitem__(self, _key: Any, _value: Any) -> None:
        pass

    def __delitem__(self, _key: Any) -> None:
        pass

    def __contains__(self, _key: Any) -> bool:
        return False

    def __iter__(self) -> Iterator[Any]:
        caller = sys._getframe(1)
        if dis.opname[caller.f_code.co_code[caller.f_lasti]] == "UNPACK_SEQUENCE":  # flops, parameters = ...
            return iter([Nothing() for _ in range(caller.f_code.co_code[caller.f_lasti + 1])])
        return iter(self._through if self._through is not None else ())

    def __len__(self) -> int:
        return len(self._through) if self._through is not None else 0

    def __bool__(self) -> bool:
        return self._through is not None and bool(self._through)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __mro_entries__(self, _bases: tuple[Any, ...]) -> tuple[type, ...]:
        return (Nothing,)

    def __instancecheck__(self, _instance: object) -> bool:
        return False

    def __str__(self) -> str:
        return ""

    def __format__(self, _spec: str) -> str:
        return ""

    def __fspath__(self) -> str:
        return "nothing"

    def __int__(self) -> int:
        return 0

    def __index__(self) -> int:
        return 0

    def __float__(self) -> float:
        return 0.0

    def __lt__(self, _other: object) -> bool:
        return False

    __gt__ = __le__ = __ge__ = __lt__

    def _same(self, *_: object) -> Any:
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _same
    __iadd__ = __or__ = __and__ = __neg__ = __round__ = _same


def _can_be_gone_through(value: object) -> bool:
    return hasattr(value, "__iter__") and not isinstance(value, str | bytes | dict)


class Settings(dict[str, Any]):
    """The settings of a run, as loggers keep them (`wandb.config`): attributes and items at once."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(name) from error

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Take settings: a dict, or what `argparse` gives."""
        kwargs.pop("allow_val_change", None)
        super().update(_as_dict(args[0]) if args else kwargs)


def _as_dict(given: Any) -> dict[str, Any]:
    if isinstance(given, dict):
        return given
    return dict(vars(given)) if hasattr(given, "__dict__") else {}


class _Run(Nothing):
    """A run of a logger, with its settings."""

    def __init__(self, config: Settings) -> None:
        super().__init__()
        vars(self)["config"] = config


class _Swallowing(types.ModuleType):
    """A stand-in for a module of a package that only logs or draws."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []
        self.config = Settings()
        self.run = None

    def __getattr__(self, name: str) -> Any:
        if name == "__version__":
            return NO_VERSION
        if name == "__all__" or (name.startswith("__") and name.endswith("__")):
            raise AttributeError(name)
        if name in ("trange", "tnrange"):
            return lambda *args, **_: range(*args)
        if name == "init":
            return self._init
        return Nothing()

    def _init(self, *_args: Any, **kwargs: Any) -> Any:
        self.config.update(kwargs.get("config"))
        self.run = _Run(self.config)  # type: ignore[assignment]
        return self.run

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return Nothing()(*args, **kwargs)


# --- what fails ---


class _Failing(types.ModuleType):
    """A stand-in for a module of any other package that isn't here."""

    def __init__(self, name: str, absent: Absent) -> None:
        super().__init__(name)
        self.__path__: list[str] = []
        self.__dict__["_absent"] = absent

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":  # from ... import *
            _fail(self.__dict__["_absent"])
        if name == "__version__":
            return NO_VERSION
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return Unusable(self.__dict__["_absent"])


def _fail(absent: Absent) -> NoReturn:
    absent.needed = True
    raise MissingPackageError(f"{absent.name} isn't installed here", name=absent.name)


class Unusable:
    """An attribute of such a module: it can be named, but not used."""

    def __init__(self, absent: Absent) -> None:
        object.__setattr__(self, "_absent", absent)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return Unusable(object.__getattribute__(self, "_absent"))

    def __instancecheck__(self, _instance: object) -> bool:
        return False

    def __or__(self, _other: object) -> Any:  # a type hint
        return self

    __ror__ = __or__

    def _used(self, *_: Any, **__: Any) -> NoReturn:
        _fail(object.__getattribute__(self, "_absent"))

    __call__ = __mro_entries__ = __iter__ = __len__ = __enter__ = __setattr__ = __setitem__ = _used
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _used
    __int__ = __float__ = __index__ = __lt__ = __gt__ = __le__ = __ge__ = __contains__ = _used

    def __getitem__(self, _key: Any) -> Any:  # a type hint, too
        return self

    def __exit__(self, *_: object) -> None:
        pass
