"""Entry point of ``python -m producer``."""

from foundation.cli.app import run
from producer.cli import program

if __name__ == "__main__":
    run(program, "python -m producer")
