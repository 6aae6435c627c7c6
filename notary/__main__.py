"""Runs the notary: ``python -m notary``."""

from foundation.cli.app import run
from notary.cli import notary

if __name__ == "__main__":
    run(notary, "python -m notary")
