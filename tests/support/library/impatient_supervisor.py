"""`library` whose supervisor soon restarts a process that does not answer."""

from library.cli import main
from library.process import child

child.LIVENESS_INTERVAL_S = 0.5
child.UNANSWERED_LIMIT_S = 8.0
child.UNANSWERED_STOP_S = 0.5

if __name__ == "__main__":
    main()
