"""Child processes on this machine: start, supervision, logs and ports."""
