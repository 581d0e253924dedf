"""What processes write that tests start; it imports little, so that they begin soon."""

import threading

from learnability import storage
from learnability.storage import append_lines, replace_file

BLOCKS = 100


def stuck(path, reached) -> None:
    """Write a file and hang before it is on the disk."""

    def fsync(_):
        reached.set()
        threading.Event().wait()

    storage.os.fsync = fsync
    replace_file(path, b"never whole")


def add_lines(path, name, start) -> None:
    """Add blocks of lines, beginning when all are ready."""
    start.wait()
    for number in range(BLOCKS):
        append_lines(path, b"".join(b"%d %d\n" % (name, number) for _ in range(3)))
