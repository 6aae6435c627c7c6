"""``python -m library`` is the program ``library``."""

from library.cli import main

if __name__ == "__main__":
    main()
