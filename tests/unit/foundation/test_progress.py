import io

import pytest

from foundation.cli.progress import Progress, progress_line


@pytest.mark.parametrize(
    ("done", "total", "seconds", "line"),
    [
        (0, 100, 1.0, "importing: 0 of 100 rows (0 %)"),
        (52_000, 104_000, 2.0, "importing: 52,000 of 104,000 rows (50 %), 26,000/s, 2 s left"),
        (1, 200, 1.0, "importing: 1 of 200 rows (0 %), 1/s, 3 min 19 s left"),
        (1, 9_000, 1.0, "importing: 1 of 9,000 rows (0 %), 1/s, 2 h 29 min left"),
        (0, 0, 1.0, "importing: 0 of 0 rows"),
    ],
)
def test_the_line_has_rate_and_remaining_time(done: int, total: int, seconds: float, line: str) -> None:
    assert progress_line("importing", done, total, "rows", seconds) == line


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def output_of_five_steps(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> str:
    """The output of five steps that take a second each."""
    clock = iter(range(100))
    monkeypatch.setattr("foundation.cli.progress.time.monotonic", lambda: float(next(clock)))
    with Progress("reading", 5, "rows", stream) as progress:
        for done in range(1, 6):
            progress.show(done)
    return stream.getvalue()


def test_a_terminal_shows_one_line_and_removes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    text = output_of_five_steps(Terminal(), monkeypatch)
    assert text.count("\r") == 6
    assert "\n" not in text
    assert text.endswith("\r\033[K")


def test_a_short_task_prints_nothing_to_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    assert output_of_five_steps(io.StringIO(), monkeypatch) == ""
