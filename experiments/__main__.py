"""``python -m experiments`` is the experiments' command line."""

from .cli import main

if __name__ == "__main__":
    main()
