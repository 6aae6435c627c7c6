"""``python -m audit``."""

from audit.cli import audit
from foundation.cli.app import run

if __name__ == "__main__":
    run(audit, "audit")
