"""The desk's web application: its addresses, and the answer of each.

Called by `serve.py`. Pages are rendered from templates here and in `publish/templates/`; `deciding.py` makes the
decisions. What takes more than a moment runs on a thread, so that other open pages get their events meanwhile.
"""

import contextlib
import json
import tempfile
import threading
from collections import defaultdict
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import anyio
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from autograder import homeworks
from autograder.course import rubric
from autograder.desk import deciding, student_view
from autograder.desk.class_view import EVERY_S, Class, ClassView, Row
from autograder.desk.deciding import DECISIONS, Runs
from autograder.desk.security import Gate, Keys
from autograder.errors import KitError
from autograder.files import TEMPLATES
from autograder.grading.decisions import ChangedError, Decisions
from autograder.language import duration
from autograder.publish import class_report, feedback_page, feedback_zip, lms_grades
from autograder.publish.html import render
from autograder.results import attempts, history
from autograder.runner import nvidia_smi

HERE = Path(__file__).parent
PULSE_S = 15.0  # an open page gets a line at least this often, so that a lost connection is noticed
LISTS = ("class", "queue")


class Desk:
    """The pages of one class, and the state that they share."""

    def __init__(self, out: Path, keys: Keys) -> None:
        self.out = out
        self.keys = keys
        self.view = ClassView(out)
        self.runs = Runs(out)
        self.over = threading.Event()
        self._html: dict[str, tuple[Row, Markup]] = {}

    @property
    def decisions(self) -> Decisions:
        """Where decisions about the class are made."""
        return Decisions(self.out, self.view.book)

    def prepare(self) -> None:
        """Read the class once, and render in advance what the first page shows."""
        now = self.view.look(book=False)
        self.summary_html(now)
        for row in now.everybody:
            self.row_html(row)

    def watch(self) -> None:
        """Read the folder every `EVERY_S` seconds, until `over` is set; runs on a thread of its own."""
        while not self.over.wait(EVERY_S):
            with contextlib.suppress(Exception):  # a file that can't be read must not end the desk
                self.view.look()

    def page(self, name: str, code: int = 200, /, **values: Any) -> HTMLResponse:
        """A page of the desk."""
        now = self.view.now
        shared = {"form": self.keys.of_form, "now": now, "out": self.out.name, "trouble": self.runs.trouble}
        text = render(name, templates=HERE / "templates", **shared, **values)
        return HTMLResponse(text, code)

    def row_html(self, row: Row) -> Markup:
        """A row of the class's table; rendered again only when the row changes."""
        kept = self._html.get(row.student)
        if kept is None or kept[0] != row:
            epochs = 0 if self.view.now.run is None else self.view.now.run.epochs
            text = render("row.html", templates=HERE / "templates", row=row, epochs=epochs)
            kept = self._html[row.student] = (row, Markup(text.strip()))
        return kept[1]

    def summary_html(self, now: Class) -> Markup:
        """The part above the table: the run, the queue, the histogram."""
        histogram, median, by_error = None, "-", False
        if now.accuracies and now.median is not None:
            first = next(row.summary for row in now.everybody if row.summary)
            ruled = rubric.load(rubric.PATH, first.homework)
            median = homeworks.load(first.homework).measure.shown(now.median)
            by_error = ruled.by_error
            if not by_error:  # an error has no bounds to draw bars between
                histogram = class_report.histogram(now.accuracies, ruled if first.names_rows else None)
        gpus = _gpus(self.out) if now.goes_on else []
        values = {
            "now": now,
            "histogram": histogram,
            "median": median,
            "by_error": by_error,
            "form": self.keys.of_form,
            "gpus": gpus,
        }
        return Markup(render("summary.html", templates=HERE / "templates", **values))

    # --- pages -----------------------------------------------------------------------------------------------------

    def class_page(self, request: Request) -> Response:
        now = self.view.now
        rows = [self.row_html(row) for row in now.everybody]
        return self.page(
            "class.html",
            summary=self.summary_html(now),
            rows=rows,
            statuses=sorted({row.summary.status for row in now.everybody if row.summary}),
            sought=request.query_params.get("q", ""),
        )

    def find(self, request: Request) -> Response:
        """Redirects to the one student whose id or name fits the search, or to the class's table filtered by it."""
        words = request.query_params.get("q", "").strip()
        folded = words.casefold()
        found = [row for row in self.view.now.everybody if folded in f"{row.student} {row.name}".casefold()]
        exact = [row for row in found if row.student.casefold() == folded]
        if len(exact or found) == 1:
            return RedirectResponse(f"/student/{quote((exact or found)[0].student, safe='')}", 303)
        return RedirectResponse(f"/?{urlencode({'q': words})}", 303)

    def queue(self, request: Request) -> Response:
        """Redirects to the first student who needs a person, or to the class where nobody does."""
        queue = self.view.now.queue
        return RedirectResponse(address(queue[0].student, "queue") if queue else "/", 303)

    def student_page(self, request: Request) -> Response:
        row = self.row(request)
        listed, file = self.listed(request), request.query_params.get("file")
        return self.student(row, listed, file, done=request.query_params.get("done", ""))

    def student(
        self,
        row: Row,
        listed: str,
        file: str | None,
        *,
        status: int = 200,
        error: str = "",
        **more: Any,
    ) -> Response:
        try:
            values = student_view.values(self.view, row, listed, file)
        except KitError as trouble:
            if file is None:
                raise HTTPException(500, trouble.message) from trouble
            values, error, status = student_view.values(self.view, row, listed, None), trouble.message, 404
        own = f"/student/{quote(row.student, safe='')}"
        given: dict[str, Any] = {"error": error, "changed": [], "typed": {}, "what": "", "done": "", **more}
        given["typed"] = defaultdict(str, given["typed"])
        return self.page("student.html", status, **values, **given, own=own, listed=listed)

    def feedback(self, request: Request) -> Response:
        """The student's own page, as they will get it."""
        return self.file(request, feedback_page.FILE, "text/html; charset=utf-8")

    def result(self, request: Request) -> Response:
        return self.file(request, "result.json", "application/json")

    def file(self, request: Request, name: str, media_type: str) -> Response:
        path = self.out / self.row(request).student / name
        if not path.is_file():
            raise HTTPException(404, "there is no such file yet")
        return FileResponse(path, media_type=media_type)

    def hand_back(self, request: Request) -> Response:
        return self.export_page()

    def export_page(self, error: str = "", status: int = 200) -> Response:
        rows = self.view.now.everybody
        values = {"undecided": [row for row in rows if row.points is None], "queue": self.view.now.queue}
        head = history.head(self.out)[:16] if rows and not self.view.now.trouble else ""
        return self.page("export.html", status, **values, systems=lms_grades.NAMES, head=head, error=error)

    # --- changes ---------------------------------------------------------------------------------------------------

    async def decide(self, request: Request) -> Response:
        row, what = self.row(request), request.path_params["what"]
        if what not in DECISIONS:
            raise HTTPException(404)
        form = await self.form_of(request)
        listed = form.get("listed", "class")
        return await run_in_threadpool(self._decide, row, what, form, listed if listed in LISTS else "class")

    def _decide(self, row: Row, what: str, form: dict[str, str], listed: str) -> Response:
        try:
            deciding.decide(self.decisions, row.student, what, form)
        except KitError as error:
            self.view.look(book=False)
            changed = error.lines if isinstance(error, ChangedError) else []
            said = error.message + (f": {error.hint}" if error.hint else "")
            status = 409 if changed else 400
            own = (self.view.now.rows or {}).get(row.student, row)
            return self.student(own, listed, None, status=status, error=said, changed=changed, typed=form, what=what)
        self.view.look(book=False)
        return RedirectResponse(f"{address(row.student, listed)}{'&' if listed != 'class' else '?'}done={what}", 303)

    async def run(self, request: Request) -> Response:
        await self.form_of(request)
        if not self.view.now.goes_on:
            with contextlib.suppress(KitError):
                await run_in_threadpool(self.runs.start)
        return RedirectResponse("/", 303)

    async def export(self, request: Request) -> Response:
        """The points as a file that an LMS imports, merged into the LMS's own file where one is uploaded."""
        form = await self.form_of(request, whole=True)
        file = form.get("merge")
        content = await file.read() if isinstance(file, UploadFile) and file.filename else None
        return await run_in_threadpool(self._export, str(form.get("lms", "")), str(form.get("column", "")), content)

    def _export(self, lms: str, column: str, merge: bytes | None) -> Response:
        name = f"{self.out.name}-{lms}.csv"
        with tempfile.TemporaryDirectory(prefix="desk-") as folder:
            to, source = Path(folder) / "points.csv", Path(folder) / "grades.csv"
            if merge is not None:
                source.write_bytes(merge)
            try:
                self.decisions.finish()
                lms_grades.export(
                    self.out, lms, None if merge is None else source, to, column=column or None, book=self.view.book
                )
            except KitError as error:
                words = error.message.replace(f"{folder}/", "") + (f": {error.hint}" if error.hint else "")
                return self.export_page(words, 400)
            return _download(to.read_bytes(), name, "text/csv")

    async def pages(self, request: Request) -> Response:
        """All students' pages in a zip file."""
        form = await self.form_of(request)
        return await run_in_threadpool(self._pages, form.get("lms", ""))

    def _pages(self, lms: str) -> Response:
        with tempfile.TemporaryDirectory(prefix="desk-") as folder:
            to = Path(folder) / "feedback.zip"
            try:
                feedback_zip.bundle(self.out, lms, attempts.downloaded(self.out), to)
            except KitError as error:
                return self.export_page(error.message, 400)
            return _download(to.read_bytes(), f"{self.out.name}-feedback.zip", "application/zip")

    # --- what changes, as it does ----------------------------------------------------------------------------------

    async def events(self, request: Request) -> Response:
        """Server-Sent Events: what has changed since the version that a page shows, and every change from then on."""
        student = request.query_params.get("student")
        since = request.query_params.get("since", "0")
        told = self._class_events(int(since) if since.isdigit() else 0)
        if student is not None:
            told = self._student_events(student, request.query_params.get("seen", ""))
        return StreamingResponse(told, media_type="text/event-stream")

    async def _class_events(self, since: int) -> AsyncIterator[str]:
        shown = set(self.view.now.rows or {})
        quiet = 0.0
        while not self.over.is_set():
            now = self.view.now
            if now.version != since:
                rows, changed = now.rows or {}, now.changed or {}
                if set(rows) != shown or since > now.version:  # an earlier desk's page, or students came or left
                    yield _event({"reload": True})
                    return
                fresh = {rows[student].id: self.row_html(rows[student]) for student in rows if changed[student] > since}
                yield _event({"rows": fresh, "summary": self.summary_html(now), "version": now.version})
                since, quiet = now.version, 0.0
            if quiet >= PULSE_S:
                yield ": still here\n\n"
                quiet = 0.0
            await anyio.sleep(EVERY_S / 4)
            quiet += EVERY_S / 4

    async def _student_events(self, student: str, seen: str) -> AsyncIterator[str]:
        """`changed`, once, when a decision or a new result came for the student; before that, `state` as it changes."""
        told, quiet = "", 0.0
        while not self.over.is_set():
            now = self.view.now
            row = (now.rows or {}).get(student)
            if history.last_of(self.view.lines(), student) != seen:
                yield _event({"changed": True})
                return
            state = "" if row is None else _state(row, now)
            if state != told:
                yield _event({"state": state})
                told, quiet = state, 0.0
            if quiet >= PULSE_S:
                yield ": still here\n\n"
                quiet = 0.0
            await anyio.sleep(EVERY_S / 4)
            quiet += EVERY_S / 4

    # --- what requests say -----------------------------------------------------------------------------------------

    def row(self, request: Request) -> Row:
        row = (self.view.now.rows or {}).get(request.path_params["student"])
        if row is None:
            raise HTTPException(404, "there is no such student")
        return row

    def listed(self, request: Request) -> str:
        """Which list the keys `j` and `k` go through: "class" or "queue"."""
        asked = request.query_params.get("in", "class")
        return asked if asked in LISTS else "class"

    async def form_of(self, request: Request, *, whole: bool = False) -> Any:
        """A form's texts; with `whole` its upload, too. Raises HTTPException where the form isn't the desk's."""
        sent = await request.form(max_files=1, max_fields=50)
        token = sent.get("token")
        if not isinstance(token, str) or not self.keys.is_of_form(token, request.scope["path"]):
            raise HTTPException(403, "the form isn't this desk's: open its page again")
        if whole:
            return sent
        return {"seen": ""} | {name: value for name, value in sent.items() if isinstance(value, str)}


def address(student: str, listed: str = "class") -> str:
    """The address of a student's screen, within a list."""
    return f"/student/{quote(student, safe='')}{'?in=queue' if listed == 'queue' else ''}"


def _state(row: Row, now: Class) -> str:
    if row.running is not None:
        share = row.running.images / max(1, row.running.of)
        epochs = f"epoch {share * now.run.epochs:.1f} of {now.run.epochs}" if now.run else ""
        loss = "" if row.running.loss is None else f", loss {row.running.loss:.3g}"
        return f"being trained: {epochs}{loss}, {duration(row.running.seconds)}"
    return "waits for its training" if row.waiting else ""


def _gpus(out: Path) -> list[nvidia_smi.Sample]:
    """The last sample that was recorded of each GPU."""
    return list({sample.gpu: sample for sample in nvidia_smi.read(out)}.values())


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data)}\n\n"


def _download(content: bytes, name: str, media_type: str) -> Response:
    disposition = f"attachment; filename*=UTF-8''{quote(name)}"
    return Response(content, media_type=media_type, headers={"Content-Disposition": disposition})


def refused(request: Request, error: Exception) -> Response:
    """The page for an error, with its status."""
    assert isinstance(error, HTTPException)
    text = render("refused.html", templates=HERE / "templates", status=error.status_code, message=error.detail)
    return HTMLResponse(text, error.status_code)


def app(desk: Desk, hosts: list[str], *, tls: bool = False) -> Starlette:
    """The application; every request passes `Gate` first."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        watching = threading.Thread(target=desk.watch, daemon=True)
        watching.start()
        yield
        desk.over.set()

    student = "/student/{student}"
    routes = [
        Route("/", desk.class_page),
        Route("/find", desk.find),
        Route("/queue", desk.queue),
        Route("/hand-back", desk.hand_back),
        Route("/events", desk.events),
        Route("/run", desk.run, methods=["POST"]),
        Route("/export", desk.export, methods=["POST"]),
        Route("/pages", desk.pages, methods=["POST"]),
        Route(f"{student}/feedback", desk.feedback),
        Route(f"{student}/result.json", desk.result),
        Route(student, desk.student_page),
        Route(f"{student}/{{what}}", desk.decide, methods=["POST"]),
        Route("/static/table.js", partial(_script, TEMPLATES / "table.js")),
        Mount("/static", StaticFiles(directory=HERE / "static")),
    ]
    gate = Middleware(Gate, keys=desk.keys, hosts=hosts, tls=tls)
    return Starlette(routes=routes, middleware=[gate], lifespan=lifespan, exception_handlers={HTTPException: refused})


def _script(path: Path, request: Request) -> Response:
    return FileResponse(path, media_type="text/javascript")
