"""``python -m benchmarks.size``."""

from benchmarks.size.command import main

if __name__ == "__main__":
    main()
