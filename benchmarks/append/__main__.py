"""``python -m benchmarks.append``."""

from benchmarks.append.command import main

if __name__ == "__main__":
    main()
