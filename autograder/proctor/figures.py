"""Figures without windows: whatever backend of matplotlib a script asks for, it draws into memory.

Called by `run_script.comforts`. matplotlib refuses a backend with windows where there is no screen, and where there is
one a window would wait for somebody to close it.
"""

import importlib
import importlib.abc
import importlib.machinery
import sys
import types
from typing import Any

WINDOWED = (
    *("gtk3agg", "gtk3cairo", "gtk4agg", "gtk4cairo", "macosx", "nbagg", "qtagg", "qtcairo", "qt5agg", "qt5cairo"),
    *("tkagg", "tkcairo", "webagg", "wx", "wxagg", "wxcairo"),
)


class _InMemory(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the backend `agg` in the place of each that has windows."""

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder`."""
        package, _, backend = name.rpartition(".backend_")
        if package == "matplotlib.backends" and backend in WINDOWED:
            return importlib.machinery.ModuleSpec(name, self)
        return None

    def create_module(self, _spec: importlib.machinery.ModuleSpec) -> types.ModuleType | None:
        """See `importlib.abc.Loader`."""
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        """See `importlib.abc.Loader`."""
        agg = importlib.import_module("matplotlib.backends.backend_agg")
        vars(module).update({name: value for name, value in vars(agg).items() if not name.startswith("__")})


def are_drawn_in_memory() -> None:
    """Answer imports of backends from now on."""
    sys.meta_path.insert(0, _InMemory())
