"""``python -m benchmarks.gateways``."""

from benchmarks.gateways.command import main

if __name__ == "__main__":
    main()
