"""Who gets to see the desk's pages, and who may change anything by them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from support import classes
from support.desk import CODE, graded

from autograder.course.dataset import Dataset
from autograder.desk import app as pages
from autograder.desk import serve
from autograder.desk.security import POLICY, Keys
from autograder.errors import KitError
from autograder.results import history

HOST = "127.0.0.1:8421"
HERE = {"origin": f"http://{HOST}"}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory, practice: Dataset) -> Path:
    folder = tmp_path_factory.mktemp("class")
    for student in ("ann", "b ?#é"):
        classes.write(folder / "class" / student / "hw6.py", CODE)
    return graded(folder / "class", folder / "out", practice.folder)


@pytest.fixture
def desk(out: Path) -> pages.Desk:
    made = pages.Desk(out, Keys())
    made.view.look()
    return made


@pytest.fixture
def stranger(desk: pages.Desk) -> Iterator[TestClient]:
    with TestClient(pages.app(desk, [HOST, "localhost:8421"]), base_url=f"http://{HOST}") as client:
        client.follow_redirects = False
        yield client


@pytest.fixture
def user(stranger: TestClient, desk: pages.Desk) -> TestClient:
    assert stranger.get(f"/?token={desk.keys.token}").status_code == 303
    return stranger


def form(desk: pages.Desk, path: str, out: Path, student: str = "ann", **fields: str) -> dict[str, str]:
    seen = history.last_of(history.read(out), student)
    return {"token": desk.keys.of_form(path), "seen": seen, "listed": "class", **fields}


def test_the_first_address_gives_a_cookie_that_scripts_and_other_sites_dont_get(
    stranger: TestClient, desk: pages.Desk
) -> None:
    answer = stranger.get(f"/?token={desk.keys.token}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("desk-8421=")
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert desk.keys.token.lower() not in cookie
    assert stranger.get("/").status_code == 200


@pytest.mark.parametrize("path", ["/", "/?token=wrong", "/?token=", "/student/ann", "/hand-back", "/events"])
def test_nobody_sees_anything_without_it(stranger: TestClient, path: str) -> None:
    answer = stranger.get(path)
    assert answer.status_code == 403
    assert "ann" not in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("host", ["evil.example:8421", "evil.example", "127.0.0.1", "127.0.0.1:80", ""])
def test_another_name_is_refused(user: TestClient, desk: pages.Desk, host: str) -> None:
    for path in ("/", f"/?token={desk.keys.token}", "/static/desk.js"):
        assert user.get(path, headers={"host": host}).status_code == 421


def test_every_answer_has_the_policy(user: TestClient) -> None:
    for path in ("/", "/student/ann", "/student/ann/feedback", "/static/desk.js", "/nowhere", "/student/nobody"):
        headers = user.get(path).headers
        assert headers["content-security-policy"] == POLICY
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
    assert "'unsafe-inline'" not in POLICY.replace("style-src 'unsafe-inline'", "")


def test_a_change_needs_the_forms_own_token_and_the_desks_own_page(
    user: TestClient, desk: pages.Desk, out: Path
) -> None:
    path = "/student/ann/comment"
    good = form(desk, path, out, text="hello")
    before = history.read(out)
    for sent, headers in (
        (good | {"token": ""}, HERE),
        (good | {"token": desk.keys.of_form("/student/ann/points")}, HERE),
        ({name: value for name, value in good.items() if name != "token"}, HERE),
        (good, {}),
        (good, {"origin": "http://evil.example"}),
        (good, {"origin": "null"}),
    ):
        assert user.post(path, data=sent, headers=headers).status_code == 403
    user.cookies.clear()
    assert user.post(path, data=good, headers=HERE).status_code == 403
    assert history.read(out) == before


def test_a_change_is_made_once_for_what_was_seen(user: TestClient, desk: pages.Desk, out: Path) -> None:
    path = "/student/ann/comment"
    good = form(desk, path, out, text="well <b>done</b>", line="4")
    assert user.post(path, data=good, headers=HERE).status_code == 303
    stale = user.post(path, data=good | {"text": "again"}, headers=HERE)
    assert stale.status_code == 409
    assert "comment by" in stale.text
    assert ">again</textarea>" in stale.text  # what was typed isn't lost
    assert "well &lt;b&gt;done&lt;/b&gt;" in stale.text
    assert [line.reason for line in history.comments(history.read(out))] == ["well <b>done</b>"]


def test_what_is_no_decision_is_said_on_the_page(user: TestClient, desk: pages.Desk, out: Path) -> None:
    for what, fields, words in (
        ("comment", {"text": "x", "line": "4000"}, "no line 4000"),
        ("comment", {"text": "  "}, "a comment has 1 to 5,000"),
        ("points", {"points": "many", "reason": "x"}, "points are a number"),
        ("points", {"points": "400", "reason": "x"}, "the rubric has 0 to 20"),
        ("points", {"points": "4", "reason": " "}, "needs a reason"),
        ("settle", {"file": "other.py"}, "other.py: can&#39;t count for ann"),
        ("deadline", {"until": "soon"}, "soon"),
        ("uncomment", {"comment": "x"}, "no comment is called"),
    ):
        path = f"/student/ann/{what}"
        answer = user.post(path, data=form(desk, path, out, **fields), headers=HERE)
        assert (answer.status_code, words in answer.text) == (400, True), (what, answer.text[:200])
    assert user.post("/student/ann/shout", data={}, headers=HERE).status_code == 404


def test_an_odd_name_is_an_address_like_any(user: TestClient, desk: pages.Desk, out: Path) -> None:
    page = user.get("/")
    assert 'href="/student/b%20%3F%23%C3%A9"' in page.text
    path = "/student/b%20%3F%23%C3%A9/comment"
    sent = form(desk, path, out, student="b ?#é", text="hello")
    assert user.get("/student/b%20%3F%23%C3%A9").status_code == 200
    assert user.post(path, data=sent, headers=HERE).status_code == 303
    assert [line.student for line in history.comments(history.read(out))][-1] == "b ?#é"


@pytest.mark.parametrize("path", ["/student/..%2Fann", "/student/ann%2F..%2Fann", "/static/..%2Fapp.py", "/student/."])
def test_no_address_leads_out_of_the_class(user: TestClient, path: str) -> None:
    assert user.get(path).status_code in (404, 405)


def test_others_can_only_reach_it_with_tls(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "192.168.1.5", "::", "desk.example", "10.0.0.1"):
        with pytest.raises(KitError, match="others can reach that"):
            serve.serve(tmp_path / "out", host, 0)
    with pytest.raises(KitError, match="go together"):
        serve.serve(tmp_path / "out", "127.0.0.1", 0, tmp_path / "cert.pem")
    (tmp_path / "cert.pem").write_text("no certificate")
    with pytest.raises(KitError, match="TLS files can't be used"):
        serve.serve(tmp_path / "out", "127.0.0.1", 0, tmp_path / "cert.pem", tmp_path / "cert.pem")
    assert all(map(serve.is_this_machines, ("127.0.0.1", "127.1.2.3", "::1", "localhost")))
