import os
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="no way to make a thread wait for all others")
def test_a_restore_that_breaks_off_at_any_moment_does_not_abort_the_process(new_settings):
    settings = new_settings(partitions=1)
    program = [sys.executable, "-m", "tests.support.starved_client", settings.kafka, settings.name]
    done = subprocess.run(program, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "dropped"
