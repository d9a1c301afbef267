"""The command `desk`: the instructor's pages of a class.

Called by the command line; the pages are `autograder/desk/`.
"""

from pathlib import Path

from autograder.errors import KitError


def desk(out: Path, host: str, port: int, tls_cert: Path | None, tls_key: Path | None) -> None:
    """Serve the desk of a class's folder; see `desk.serve`. Raises KitError where what it needs isn't installed."""
    try:
        from autograder.desk.serve import serve
    except ModuleNotFoundError as error:
        raise KitError(f"the desk needs {error.name}, which isn't installed", "make setup installs it") from error
    serve(out, host, port, tls_cert, tls_key)
