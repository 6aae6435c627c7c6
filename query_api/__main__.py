"""Runs the query API: ``python -m query_api``."""

from foundation.cli.app import run
from query_api.cli import main

if __name__ == "__main__":
    run(main, "python -m query_api")
