"""What a save does to a folder, operation by operation: watched, made to fail, or replayed."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Operation:
    """One thing asked of the system.

    Attributes:
        kind: create, write, chmod, sync, link, rename, unlink or sync_folder.
        name: of the file in the folder; other: that of the second one, of link and rename.
        data: what is written.
    """

    kind: str
    name: str
    other: str = ""
    data: bytes = field(default=b"", repr=False)


@contextlib.contextmanager
def watched(folder: Path, before: Callable[[Operation], None]) -> Iterator[None]:
    """Call ``before`` ahead of each operation on a file of ``folder``; it may raise.

    Each write is done in two halves, so that something can come in between.
    """
    descriptors: dict[int, str] = {}
    real = {name: getattr(os, name) for name in CALLS}
    folder = folder.resolve()

    def inside(path: Any) -> bool:
        return not isinstance(path, int) and Path(os.fsdecode(path)).resolve().parent == folder

    def name(path: Any) -> str:
        return Path(os.fsdecode(path)).name

    def open_(path: Any, flags: int, *args: Any, **more: Any) -> int:
        if not isinstance(path, int) and Path(os.fsdecode(path)).resolve() == folder:
            fd = real["open"](path, flags, *args, **more)
            descriptors[fd] = ""
            return int(fd)
        made = inside(path) and flags & os.O_CREAT and not Path(path).exists()
        if made and name(path).endswith(".tmp"):
            before(Operation("create", name(path)))
        fd = real["open"](path, flags, *args, **more)
        descriptors.pop(fd, None)
        if made and name(path).endswith(".tmp"):
            descriptors[fd] = name(path)
        return int(fd)

    def fdopen(fd: int, *args: Any, **more: Any) -> Any:
        stream = real["fdopen"](fd, *args, **more)
        return _Halves(stream, descriptors[fd], before) if fd in descriptors else stream

    def on_descriptor(kind: str, call: str) -> Callable[..., None]:
        def do(fd: int, *args: Any) -> None:
            if fd in descriptors:
                place = descriptors[fd]
                before(Operation(kind if place else f"{kind}_folder", place))
            real[call](fd, *args)

        return do

    def on_names(kind: str, call: str) -> Callable[..., None]:
        def do(path: Any, *args: Any, **more: Any) -> None:
            if inside(path) and not name(path).endswith(".lock"):
                before(Operation(kind, name(path), name(args[0]) if args else ""))
            real[call](path, *args, **more)

        return do

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "open", open_)
        patched.setattr(os, "fdopen", fdopen)
        patched.setattr(os, "fsync", on_descriptor("sync", "fsync"))
        patched.setattr(os, "fchmod", on_descriptor("chmod", "fchmod"))
        for kind, call in (("link", "link"), ("rename", "replace"), ("unlink", "unlink")):
            patched.setattr(os, call, on_names(kind, call))
        yield


CALLS = ("open", "fdopen", "fsync", "fchmod", "link", "replace", "unlink")


class _Halves:
    """A stream that tells of each half of what is written, and writes it through."""

    def __init__(self, stream: Any, name: str, before: Callable[[Operation], None]) -> None:
        self._stream, self._name, self._before = stream, name, before

    def write(self, data: bytes) -> int:
        middle = len(data) // 2
        for half in (data[:middle], data[middle:]):
            self._before(Operation("write", self._name, data=bytes(half)))
            self._stream.write(half)
            self._stream.flush()
        return len(data)

    def __enter__(self) -> _Halves:
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


Files = dict[str, bytes]


def after_power_loss(operations: list[Operation]) -> Iterator[Files]:
    """Every folder that a loss of power after these operations may leave.

    What was written to a file since it was last synced is there, half there, there as zeros, or
    not; of the changes to the folder's names since it was last synced, each is there or not.
    """
    written: dict[int, bytes] = {}
    synced: dict[int, bytes] = {}
    names: dict[str, int] = {}
    durable: dict[str, int] = {}
    pending: list[list[tuple[str, int | None]]] = []
    for each in operations:
        change: list[tuple[str, int | None]] = []
        if each.kind == "create":
            inode = len(written)
            written[inode] = synced[inode] = b""
            change = [(each.name, inode)]
        elif each.kind == "write":
            written[names[each.name]] += each.data
        elif each.kind == "sync":
            synced[names[each.name]] = written[names[each.name]]
        elif each.kind == "link":  # os.link(existing, new)
            change = [(each.other, names[each.name])]
        elif each.kind == "rename":
            same = names[each.name] == names.get(each.other)
            change = [] if same else [(each.other, names[each.name]), (each.name, None)]
        elif each.kind == "unlink" and each.name in names:
            change = [(each.name, None)]
        elif each.kind == "sync_folder":
            durable, pending = dict(names), []
        if change:
            _apply(names, change)
            pending.append(change)
    for kept in itertools.product((True, False), repeat=len(pending)):
        left = dict(durable)
        for change, is_kept in zip(pending, kept, strict=True):
            if is_kept:
                _apply(left, change)
        unsynced = sorted({inode for inode in left.values() if synced[inode] != written[inode]})
        for contents in itertools.product(range(4), repeat=len(unsynced)):
            files = dict(synced)
            for inode, choice in zip(unsynced, contents, strict=True):
                old, new = synced[inode], written[inode]
                middle = (len(old) + len(new)) // 2
                files[inode] = (new, new[:middle], bytes(len(new)), old)[choice]
            yield {name: files[inode] for name, inode in left.items()}


def _apply(names: dict[str, int], change: list[tuple[str, int | None]]) -> None:
    for name, inode in change:
        if inode is None:
            names.pop(name, None)
        else:
            names[name] = inode
