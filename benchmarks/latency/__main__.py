"""``python -m benchmarks.latency``."""

from benchmarks.latency.command import main

if __name__ == "__main__":
    main()
