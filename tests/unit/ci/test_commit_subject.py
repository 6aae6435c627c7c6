"""The commit-msg hook accepts subjects as CONTRIBUTING.md asks for them."""

from pathlib import Path

import pytest

from tests.unit.ci.programs import load

hook = load("commit_subject")


@pytest.mark.parametrize(
    "message",
    [
        "Add a hook",
        "Add a hook\n\nBecause subjects were too long.\n# comment of git\n",
        "\n\nAdd a hook",
        "# comment first\nAdd a hook",
        f"Add {'x' * 68}",
        "fixup! add a hook.",
        f'Revert "{"x" * 80}"',
        "",
    ],
)
def test_a_good_commit_subject_is_accepted(message: str):
    assert hook.complaints(message) == []


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (f"Add {'x' * 69}", "the subject has 73 characters, at most 72 are allowed"),
        ("Wip", "the subject needs more than one word"),
        ("Add a hook.", "the subject ends with a full stop"),
        ("add a hook", "the subject begins with a small letter"),
        ("Add a hook\nbecause", "the line after the subject is not empty"),
    ],
)
def test_a_bad_commit_subject_is_refused_with_the_reason(
    message: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "message").write_text(message, "utf-8")
    assert hook.main([str(tmp_path / "message")]) == 1
    assert capsys.readouterr().err == f"commit message: {complaint}\n"
