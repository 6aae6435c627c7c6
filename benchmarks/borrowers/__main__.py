"""``python -m benchmarks.borrowers``."""

from benchmarks.borrowers.command import main

if __name__ == "__main__":
    main()
