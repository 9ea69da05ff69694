"""The files of one object: a body under a name of its own, and a description that says which body counts.

Replacing the description is the moment of truth: a process that dies before leaves the old object whole, one that dies after
leaves the new one. What a dead process left over is listed under its key and goes with it, so that a purge finds everything.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

from madang.adapters.local.keys import stem_of
from madang.ports.errors import Unavailable
from madang.ports.storage import ObjectInfo

META: Final = "@meta"
LOCKS: Final = 64


@dataclass(frozen=True, slots=True)
class Description:
    """What `@meta` holds: the object's properties, and the name of its body."""

    body: str
    size: int
    content_type: str
    sha256: str
    modified_at: float
    metadata: Mapping[str, str] = field(default_factory=dict)
    cache_control: str | None = None

    def info(self, key: str) -> ObjectInfo:
        return ObjectInfo(
            key=key,
            size=self.size,
            content_type=self.content_type,
            etag=f'"{self.sha256}"',
            modified_at=datetime.fromtimestamp(self.modified_at, UTC),
            sha256=self.sha256,
            metadata=self.metadata,
        )

    def describes_same(self, other: "Description") -> bool:
        same_body = (self.size, self.sha256) == (other.size, other.sha256)
        return same_body and (self.content_type, self.metadata, self.cache_control) == (
            other.content_type,
            other.metadata,
            other.cache_control,
        )


class BodyFile:
    """A body being written; nobody sees it until it is committed."""

    def __init__(self, root: Path, key: str) -> None:
        self._root = root
        self._key = key
        self._stem = stem_of(root / "objects", key)
        self._name = uuid.uuid4().hex
        self._hash = hashlib.sha256()
        self._file: BinaryIO | None = _create(self._path_of(self._name))
        self.size = 0

    def write(self, chunk: bytes) -> None:
        if self._file is None:
            raise ValueError("the body is closed")
        self._file.write(chunk)
        self._hash.update(chunk)
        self.size += len(chunk)

    def commit(self, content_type: str, metadata: Mapping[str, str], cache_control: str | None) -> Description:
        """Make it the object's body. Raises `Unavailable` when the key was deleted meanwhile: then nothing is stored."""
        try:
            self._close(durable=True)
            now = datetime.now(UTC).timestamp()
            new = Description(self._name, self.size, content_type, self._hash.hexdigest(), now, dict(metadata), cache_control)
            return self._install(new)
        except BaseException:
            self.discard()
            raise

    def _install(self, new: Description) -> Description:
        with locked(self._root, self._key):
            old = read_description(self._root, self._key)
            if old is not None and old.describes_same(new) and self._path_of(old.body).exists():
                self._path_of(self._name).unlink(missing_ok=True)
                return old
            if not self._path_of(self._name).exists():
                raise Unavailable("the object was deleted while it was being written", provider="local", operation="put")
            _replace(self._path_of(META[1:]), new)
            if old is not None:
                self._path_of(old.body).unlink(missing_ok=True)
        return new

    def discard(self) -> None:
        """Leave nothing behind."""
        self._close(durable=False)
        self._path_of(self._name).unlink(missing_ok=True)
        remove_empty_folders(self._root / "objects", self._stem.parent)

    def _close(self, durable: bool) -> None:
        if self._file is None:
            return
        if durable:
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()
        self._file = None

    def _path_of(self, name: str) -> Path:
        return self._stem.with_name(f"{self._stem.name}@{name}")


def read_description(root: Path, key: str) -> Description | None:
    """None when there is no such object."""
    stem = stem_of(root / "objects", key)
    try:
        values: dict[str, Any] = json.loads(stem.with_name(stem.name + META).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Description(**values)


def body_path(root: Path, key: str, description: Description) -> Path:
    stem = stem_of(root / "objects", key)
    return stem.with_name(f"{stem.name}@{description.body}")


def last_written(root: Path, key: str) -> float:
    """When the newest file of the key was written, also one that was never finished; now when all are gone meanwhile."""
    times = [datetime.now(UTC).timestamp()]
    for file in _files_of(stem_of(root / "objects", key)):
        with contextlib.suppress(FileNotFoundError):
            times.append(file.stat().st_mtime)
    return max(times[1:] or times)


def delete(root: Path, key: str) -> None:
    """Remove every file of the key, also those that a dead process left, and the folders that this empties."""
    stem = stem_of(root / "objects", key)
    with locked(root, key):
        stem.with_name(stem.name + META).unlink(missing_ok=True)
        for file in _files_of(stem):
            file.unlink(missing_ok=True)
    remove_empty_folders(root / "objects", stem.parent)


def remove_empty_folders(top: Path, folder: Path) -> None:
    """From the folder upwards, until one is not empty; another process may be faster, or fill one again."""
    while top in folder.parents:
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return
        folder = folder.parent


@contextlib.contextmanager
def locked(root: Path, key: str) -> Iterator[None]:
    """One writer of a key at a time, among all processes of the machine; the lock of a dead process is free."""
    number = int(hashlib.sha256(key.encode()).hexdigest(), 16) % LOCKS
    path = root / "locks" / f"{number:02x}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _files_of(stem: Path) -> Iterator[Path]:
    if not stem.parent.is_dir():
        return
    with os.scandir(stem.parent) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(stem.name + "@") and entry.is_file()]
    yield from (stem.with_name(name) for name in names)


def _create(path: Path) -> BinaryIO:
    """Open a new file, its folders made; a deletion next door may remove an empty folder between the two."""
    for _ in range(20):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileNotFoundError):
            return path.open("xb")
    raise Unavailable("the folder keeps being removed", provider="local", operation="put")


def _replace(path: Path, description: Description) -> None:
    fresh = path.with_name(f"{path.name}-{uuid.uuid4().hex}")
    values = {name: getattr(description, name) for name in Description.__slots__}
    try:
        with fresh.open("xb") as file:
            file.write(json.dumps(values).encode())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
