"""``python -m benchmarks.growth``."""

from benchmarks.growth.command import main

if __name__ == "__main__":
    main()
