import io

import pytest

from foundation.cli.progress import Progress, line_of


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
def test_the_progress_line_shows_rate_and_time_left(done: int, total: int, seconds: float, line: str) -> None:
    assert line_of("importing", done, total, "rows", seconds) == line


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is shown of five steps, each of them a second long."""
    clock = iter(range(100))
    monkeypatch.setattr("foundation.cli.progress.time.monotonic", lambda: float(next(clock)))
    with Progress("reading", 5, "rows", stream) as progress:
        for done in range(1, 6):
            progress.show(done)
    return stream.getvalue()


def test_progress_on_a_terminal_is_one_line_that_is_erased_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = shown(Terminal(), monkeypatch)
    assert text.count("\r") == 6
    assert "\n" not in text
    assert text.endswith("\r\033[K")


def test_progress_of_short_work_is_not_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(io.StringIO(), monkeypatch) == ""
