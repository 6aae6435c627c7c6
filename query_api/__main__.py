"""``python -m query_api``."""

from query_api.cli import main
from schemas.command_line import run

if __name__ == "__main__":
    run(main, "python -m query_api")
