"""seqgen learns to write music and text.

As a library: ``from seqgen import load``; see ``seqgen.library``.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as typing's, which takes longer to import than all of this
if TYPE_CHECKING:
    from seqgen.library import Model, load

__all__ = ["Model", "__version__", "load"]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # Whoever wants the version, or the command line, needn't wait for NumPy.
    if name in ("Model", "load"):
        from seqgen import library

        return getattr(library, name)
    raise AttributeError(f"module 'seqgen' has no attribute '{name}'")
