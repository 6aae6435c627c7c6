"""One whole system on this machine: start, supervision, control and stop."""
