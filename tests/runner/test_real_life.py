"""What runs at home or on Colab runs where it is graded: a table of scripts, looked at by forks of a warm parent."""

import sys
from dataclasses import replace

import pytest
from support.real_life import ALL, Script, last

from autograder import checks
from autograder.homeworks import load
from autograder.intake import submission
from autograder.runner.observe import observe
from autograder.sandbox.sandbox import Sandbox

HW6 = load("hw6")


@pytest.mark.parametrize("script", ALL, ids=[script.name for script in ALL])
def test_a_script_from_real_life_gets_what_is_right(script: Script, sandbox_bwrap: Sandbox) -> None:
    name = "hw6.ipynb" if script.name.endswith(".ipynb") else "hw6.py"
    file = replace(submission.of(name, script.text.encode()), beside=script.beside)
    seen = observe(HW6, file, sandbox_bwrap, warm=True, as_if_absent=script.absent)
    assert seen.problem is None
    results = checks.run(seen, HW6)
    failed = [result for result in results if result.outcome == "failed"]
    assert tuple(result.id for result in failed) == script.fails, [(one.id, one.saw) for one in failed]
    waiting = [result.id for result in results if result.outcome == "skipped" and not script.fails]
    assert not waiting, seen.rehearsal
    if failed:
        assert script.says in failed[0].saw
        line = "" if failed[0].line is None else file.script.decode().splitlines()[failed[0].line - 1]
        assert script.line in line


@pytest.mark.slow
def test_what_takes_too_long_at_its_whole_length_is_no_failure(sandbox_bwrap: Sandbox) -> None:
    script = last("while total > 1000:\n    pass\nassert total == 10000\n")
    seen = observe(HW6, submission.of("hw6.py", script.encode()), sandbox_bwrap, warm=True)
    assert (seen.rehearsal.ended, seen.rehearsal.failure) == ("stopped", None)
    assert not [result for result in checks.run(seen, HW6) if result.outcome == "failed"]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python reads such f-strings")
@pytest.mark.parametrize("text", ["f'{d['a']}'", """f'{"\\n".join(d)}'"""])
def test_an_f_string_of_a_newer_python_is_known_as_one(text: str, sandbox_bwrap: Sandbox) -> None:
    script = last(f"d = {{'a': 1}}\nprint({text})\n")
    seen = observe(HW6, submission.of("hw6.py", script.encode()), sandbox_bwrap, warm=True)
    assert seen.syntax_error is not None
    assert seen.syntax_error.reason == "newer-python"
