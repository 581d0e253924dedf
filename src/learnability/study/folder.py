"""The folder of one run: results of stages, each with a checksum; a lock; a checkpoint.

A stage is there when its record is, which is written last and holds the key of what
decided the stage and a checksum of every file. What does not agree with its record was
never there.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, final

from upath import UPath

from ..storage import lock_held, replace_file, sweep_out
from .packing import packed, unpacked

SEAL = b"learnability checkpoint "
"""What a checkpoint begins with; a checksum of the rest follows."""


@final
class Damaged(ValueError):
    """A file that does not agree with its checksum."""


@final
@dataclass(frozen=True)
class RunFolder:
    """Where the files of one run lie.

    Attributes:
        path: the folder.
    """

    path: Path | UPath

    @property
    def checkpoint_file(self) -> Path | UPath:
        return self.path / "checkpoint.bin"

    def file(self, name: str) -> Path | UPath:
        """Give the path of one file of a stage."""
        return self.path / name

    def record(self, stage: str) -> Path | UPath:
        """Give the path of a stage's record."""
        return self.path / f"{stage}.json"

    def keep(self, stage: str, key: str, files: Mapping[str, bytes]) -> None:
        """Write the files of a stage, then its record.

        Raises:
            ValueError: if the place cannot be written.
        """
        for name, content in files.items():
            replace_file(self.file(name), content)
        sums = {name: sha256(content).hexdigest() for name, content in files.items()}
        record = json.dumps({"key": key, "files": sums}, indent=1) + "\n"
        replace_file(self.record(stage), record.encode())

    def find(self, stage: str, key: str) -> dict[str, bytes] | None:
        """Give the files of a stage that was made with this key, or None.

        Raises:
            Damaged: if a file is missing or does not agree with its checksum.
        """
        sums = self._sums(stage, key)
        return None if sums is None else {n: self._read(n, s) for n, s in sums.items()}

    def whole(self, stage: str, key: str) -> bool:
        """Say whether a stage is there, made with this key.

        Raises:
            Damaged: as `find`.
        """
        return self.find(stage, key) is not None

    def _sums(self, stage: str, key: str) -> dict[str, str] | None:
        try:
            record = json.loads(self.record(stage).read_bytes())
            made, sums = record["key"], dict(record["files"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Damaged(f"{self.record(stage)} cannot be read ({error})") from error
        return sums if made == key else None

    def _read(self, name: str, checksum: str) -> bytes:
        path = self.file(name)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise Damaged(f"{path} cannot be read ({error})") from error
        if sha256(content).hexdigest() != checksum:
            raise Damaged(f"{path} does not agree with its checksum")
        return content

    def save_checkpoint(self, key: str, record: object) -> None:
        """Keep all that a stage needs to go on.

        Raises:
            ValueError: if the place cannot be written.
        """
        content = packed({"key": key, "record": record})
        seal = SEAL + sha256(content).hexdigest().encode() + b"\n"
        replace_file(self.checkpoint_file, seal + content)

    def load_checkpoint(self, key: str) -> Any:
        """Give what `save_checkpoint` kept under this key, or None.

        Raises:
            Damaged: if the file does not agree with its checksum.
        """
        try:
            seal, _, content = self.checkpoint_file.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        if seal != SEAL + sha256(content).hexdigest().encode():
            raise Damaged(f"{self.checkpoint_file} does not agree with its checksum")
        found = unpacked(content)
        return found["record"] if found["key"] == key else None

    def drop_checkpoint(self) -> None:
        """Remove the checkpoint, if there is one."""
        with suppress(FileNotFoundError):
            self.checkpoint_file.unlink()

    @contextmanager
    def locked(self, *, wait: bool) -> Iterator[bool]:
        """Hold the run against other processes; give whether it is held.

        The system lets go of a killed process's lock. Only local files know locks.
        """
        if not isinstance(self.path, Path):
            yield True
            return
        with lock_held(self.path / "lock", wait=wait) as held:
            if held:
                sweep_out(self.path)
            yield held
