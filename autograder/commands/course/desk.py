"""The command `desk`: serves the instructor's pages of a class.

Called by the command line; `autograder/desk/` has the pages.
"""

from pathlib import Path

from autograder.errors import KitError


def desk(out: Path, host: str, port: int, tls_cert: Path | None, tls_key: Path | None) -> None:
    """Serve the desk of a class's folder; see `desk/serve.py`. Raises KitError where a package is missing."""
    try:
        from autograder.desk.serve import serve
    except ModuleNotFoundError as error:
        raise KitError(f"the desk needs {error.name}, which isn't installed", "make setup installs it") from error
    serve(out, host, port, tls_cert, tls_key)
