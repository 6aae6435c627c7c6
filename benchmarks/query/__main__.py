"""``python -m benchmarks.query``."""

from benchmarks.query.command import main

if __name__ == "__main__":
    main()
