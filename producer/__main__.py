"""``python -m producer``."""

from producer.cli import program
from schemas.command_line import run

if __name__ == "__main__":
    run(program, "python -m producer")
