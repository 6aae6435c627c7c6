"""What `doctor` and `verify` compare."""
