"""The folder of one run: results of stages, each with a checksum; a lock; a checkpoint.

A stage is there when its record is, which is written last and holds the key of what
decided the stage, and the size and a checksum of every file. What does not agree with
its record was never there. Whether it is there is told by sizes; checksums are compared
when a file is read.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, final

import torch
from upath import UPath

from ..storage import lock_held, replace_file, stamp, sweep_out

# What a record holds of every file.
DESCRIBED = ("bytes", "sha256")
# What a checkpoint begins with; a checksum of the rest follows.
SEAL = b"learnability checkpoint "


def _description(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "sha256": sha256(content).hexdigest()}


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
        """Return the path of what an unfinished training goes on from."""
        return self.path / "checkpoint.bin"

    @classmethod
    def below(cls, study: Path | UPath, identity: str) -> "RunFolder":
        """Return the folder of a run, named by the hash of what decides its weights.

        Args:
            study: the study's folder.
            identity: of the run.
        """
        return cls(study / "runs" / identity)

    def file(self, name: str) -> Path | UPath:
        """Return the path of one file of a stage."""
        return self.path / name

    def record(self, stage: str) -> Path | UPath:
        """Return the path of a stage's record."""
        return self.path / f"{stage}.json"

    def keep(self, stage: str, key: str, files: Mapping[str, bytes]) -> None:
        """Write the files of a stage, then its record.

        Raises:
            ValueError: if the place cannot be written.
        """
        for name, content in files.items():
            replace_file(self.file(name), content)
        made = {name: _description(content) for name, content in files.items()}
        record = json.dumps({**stamp(), "key": key, "files": made}, indent=1) + "\n"
        replace_file(self.record(stage), record.encode())

    def find(self, stage: str, key: str) -> dict[str, bytes] | None:
        """Return the files of a stage that was made with this key, or None.

        Raises:
            Damaged: if a file is missing or does not agree with its checksum.
        """
        made = self._files(stage, key)
        if made is None:
            return None
        return {name: self._read(name, m["sha256"]) for name, m in made.items()}

    def whole(self, stage: str, key: str) -> bool:
        """Say whether a stage is there, made with this key, without reading its files.

        Raises:
            Damaged: if a file is missing or has another size.
        """
        made = self._files(stage, key)
        for name, of_file in (made or {}).items():
            if self._size(name) != of_file["bytes"]:
                raise Damaged(f"{self.file(name)} does not have the size it was given")
        return made is not None

    def _files(self, stage: str, key: str) -> dict[str, dict[str, Any]] | None:
        try:
            record = json.loads(self.record(stage).read_bytes())
            made = {n: {k: f[k] for k in DESCRIBED} for n, f in record["files"].items()}
            there = record["key"] == key
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise Damaged(f"{self.record(stage)} cannot be read ({error})") from error
        return made if there else None

    def _size(self, name: str) -> int:
        path = self.file(name)
        try:
            return path.stat().st_size
        except OSError as error:
            raise Damaged(f"{path} cannot be read ({error})") from error

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
        file = BytesIO()
        torch.save({"key": key, "record": record}, file)
        content = file.getvalue()
        seal = SEAL + sha256(content).hexdigest().encode() + b"\n"
        replace_file(self.checkpoint_file, seal + content)

    def load_checkpoint(self, key: str) -> Any:
        """Return what `save_checkpoint` kept under this key, or None.

        Raises:
            Damaged: if the file does not agree with its checksum.
        """
        try:
            seal, _, content = self.checkpoint_file.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        if seal != SEAL + sha256(content).hexdigest().encode():
            raise Damaged(f"{self.checkpoint_file} does not agree with its checksum")
        found = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
        return found["record"] if found["key"] == key else None

    def drop_stale_checkpoint(self) -> None:
        """Remove what a kill between a run's last file and its end has left."""
        if self.checkpoint_file.exists():
            with self.locked(wait=False) as ours:
                if ours:
                    self.drop_checkpoint()

    def drop_checkpoint(self) -> None:
        """Remove the checkpoint, if there is one."""
        with suppress(FileNotFoundError):
            self.checkpoint_file.unlink()

    @contextmanager
    def locked(self, *, wait: bool) -> Iterator[bool]:
        """Hold the run against other processes; yield whether it is held.

        The system lets go of a killed process's lock. Only local files know locks.
        """
        if not isinstance(self.path, Path):
            yield True
            return
        with lock_held(self.path / "lock", wait=wait) as held:
            if held:
                sweep_out(self.path)
            yield held
