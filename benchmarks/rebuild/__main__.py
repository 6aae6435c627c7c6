"""``python -m benchmarks.rebuild``."""

from benchmarks.rebuild.command import main

if __name__ == "__main__":
    main()
