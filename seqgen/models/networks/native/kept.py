"""Compiled functions kept in the user's cache folder: LLVM takes seconds for the large ones.

Numba keeps functions too, but tells those that are made by a function apart by what surrounds
them, which is never the same in two processes. Here a function is what its name, its arguments'
types, the processor, the versions of all that compiles and the sources of this package say.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import os
import pickle
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core import bytecode
from numba.core.compiler import CompileResult
from numba.core.registry import cpu_target
from numba.core.serialize import dumps

from seqgen.files import cache_folder, read_bytes, require_folder, write_once
from seqgen.models import parameters
from seqgen.models.networks import cells

__all__ = ["are_kept", "keep", "njit_inner"]

MOST_FILES = 64
MOST_BYTES = 1 << 26
DIGEST_BYTES = 32


# For what only compiled functions call: what Python or C would need to call it takes LLVM a sixth
# of the time.
njit_inner = functools.partial(numba.njit, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def keep(dispatcher: Any, *name: object) -> Any:
    """The compiled function, which is looked for, and kept, under a name of its own."""
    dispatcher._cache = _Kept(name)
    return dispatcher


def _digest_of_sources() -> str:
    """Of all that is written down for LLVM here, and of the numbers that go into it."""
    paths = sorted(Path(__file__).parent.glob("*.py"))
    paths += [Path(str(module.__file__)) for module in (cells, parameters)]
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


SOURCES = _digest_of_sources()  # now: another version may be installed while this one runs

# Numba numbers functions in the order in which a process makes them, and names their code so. Of
# two kept ones that call different functions of one name LLVM would take the first for both.
bytecode.FunctionIdentity._unique_ids = itertools.count(int.from_bytes(os.urandom(7), "big"))


def _folder() -> Path:
    return cache_folder() / "native"


def _digest(said: str) -> str:
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def _stem(name: tuple[object, ...], codegen: Any) -> str:
    """How the files of a function begin, whatever the types of its arguments."""
    versions = numba.__version__, llvmlite.__version__, sys.version, SOURCES
    config = numba.config
    options = config.OPT, config.BOUNDSCHECK, config.DEBUGINFO_DEFAULT
    return _digest(repr((name, codegen.magic_tuple(), versions, options)))


def are_kept(names: Iterable[tuple[object, ...]]) -> bool:
    """Whether there is a function of each of these names, for arguments of some types."""
    codegen = cpu_target.target_context.codegen()
    with contextlib.suppress(OSError):
        return all(any(_folder().glob(f"{_stem(name, codegen)}-*.bin")) for name in names)
    return False


class _Kept:
    """What numba asks before and after it compiles."""

    def __init__(self, name: tuple[object, ...]) -> None:
        self.name = name

    def _path(self, signature: Any, codegen: Any) -> Path:
        return _folder() / f"{_stem(self.name, codegen)}-{_digest(str(signature))}.bin"

    def load_overload(self, signature: Any, context: Any) -> Any:
        """The function for arguments of these types; None if it is not kept, or damaged."""
        context.refresh()
        with contextlib.suppress(Exception):
            data = read_bytes(self._path(signature, context.codegen()), max_bytes=MOST_BYTES)
            digest, payload = data[:DIGEST_BYTES], data[DIGEST_BYTES:]
            # The folder is the user's own, as that of Python's compiled files is.
            if hashlib.sha256(payload).digest() == digest:
                return CompileResult._rebuild(context, *pickle.loads(payload))
        return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Keep it, if that can be."""
        with contextlib.suppress(Exception):
            path = self._path(signature, compiled.codegen)
            require_folder(path)
            payload = dumps(compiled._reduce())
            path.unlink(missing_ok=True)  # it was damaged
            write_once(path, hashlib.sha256(payload).digest() + payload)
            files = sorted(path.parent.glob("*.bin"), key=lambda file: file.stat().st_mtime)
            for old in files[:-MOST_FILES]:
                old.unlink()

    def enable(self) -> None:
        """Numba's name for what is always so."""

    disable = flush = enable
