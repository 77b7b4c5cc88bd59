"""A vocabulary and how text is cut for it; see the package's docstring."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from seqgen.errors import UsageError
from seqgen.tokenization import abc_tokens, bpe, characters, remi

__all__ = ["BOUNDARY", "Scheme", "StreamDecoder", "Tokenizer"]

Scheme = Literal["char", "abc", "bpe", "remi"]

BOUNDARY = 0
HALF_BYTES = 16
FIRST_PIECE = 1 + HALF_BYTES
# Arguments and file names may hold bytes that are no text; this keeps them as they are.
ERRORS = "surrogateescape"
MOST_SPELLED = 1 << 17  # spellings that are kept

_SPLIT: dict[Literal["abc", "bpe", "remi"], Callable[[str], Iterable[str]]] = {
    "abc": abc_tokens.split,
    "bpe": bpe.words,
    "remi": remi.split,
}
_VOCABULARY: dict[Literal["char", "abc", "remi"], Callable[[Iterable[str]], list[str]]] = {
    "char": characters.vocabulary,
    "abc": abc_tokens.vocabulary,
    "remi": remi.vocabulary,
}


class Tokenizer:
    """Text to ids and back.

    Args:
        scheme: how text is cut into pieces.
        pieces: the vocabulary's own pieces; piece ``i`` has id ``17 + i``.
        merges: of the `bpe` scheme, in the order learnt: pairs of pieces that make a piece.
    """

    def __init__(
        self, scheme: Scheme, pieces: Sequence[str], merges: Sequence[tuple[str, str]] = ()
    ) -> None:
        self.scheme = scheme
        self.pieces = tuple(pieces)
        self.merges = tuple(merges)
        self._ids = {piece: FIRST_PIECE + i for i, piece in enumerate(self.pieces)}
        # What a piece that is cut from a text is made of, if it is not one of the vocabulary. A
        # word's merges decide that, even where the vocabulary holds the word.
        self._whole = {} if scheme == "bpe" else self._ids
        self._parts: Callable[[str], Iterable[str]] = bpe.Merges(merges).apply if merges else iter
        # Spellings, made as they turn up.
        self._spelled: dict[str, list[int]] = {}

    @classmethod
    def learn(cls, scheme: Scheme, texts: Iterable[str], *, size: int | None = None) -> Tokenizer:
        """A tokenizer whose vocabulary is what stands in the texts of a training part.

        Args:
            size: of a `bpe` vocabulary, at most; None leaves it to the texts. Others have no
                choice.
        Raises:
            UsageError: the texts have more characters than ``size`` has room for.
        """
        if scheme == "bpe":
            return cls(scheme, *bpe.learn(texts, size, FIRST_PIECE))
        return cls(scheme, _VOCABULARY[scheme](texts))

    @property
    def size(self) -> int:
        """Number of ids, boundary and half bytes included."""
        return FIRST_PIECE + len(self.pieces)

    def encode(self, text: str) -> NDArray[np.int32]:
        """The ids of a text, without a boundary: (tokens,) int32."""
        if self.scheme == "char":
            return self._table.encode(text)
        ids: list[int] = []
        known = self._whole.get
        for piece in _SPLIT[self.scheme](text):
            token = known(piece)
            if token is None:
                ids += self._spell(piece)
            else:
                ids.append(token)
        return np.array(ids, np.int32)

    @cached_property
    def _table(self) -> characters.Table:
        return characters.Table(self._ids, self._spell)

    def _spell(self, piece: str) -> list[int]:
        if (spelled := self._spelled.get(piece)) is not None:
            return spelled
        ids: list[int] = []
        for part in self._parts(piece):
            token = self._ids.get(part)
            if token is not None:
                ids.append(token)
            else:
                for byte in part.encode("utf-8", ERRORS):
                    ids += (1 + (byte >> 4), 1 + (byte & 15))
        if len(self._spelled) >= MOST_SPELLED:
            self._spelled.clear()
        self._spelled[piece] = ids
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of some ids; ``decode(encode(text)) == text`` for every text."""
        decoder = StreamDecoder(self)
        return "".join(map(decoder.feed, ids)) + decoder.finish()

    def to_json(self) -> dict[str, Any]:
        """The whole tokenizer, for the model file."""
        values: dict[str, Any] = {"scheme": self.scheme, "pieces": list(self.pieces)}
        if self.scheme == "bpe":
            values["merges"] = [list(pair) for pair in self.merges]
        return values

    @classmethod
    def from_json(cls, values: Any) -> Tokenizer:
        """Raises UsageError unless ``values`` is what to_json gives."""
        if not isinstance(values, dict) or values.get("scheme") not in get_args(Scheme):
            raise UsageError("the tokenizer's scheme must be one of " + ", ".join(get_args(Scheme)))
        scheme: Scheme = values["scheme"]
        if set(values) != {"scheme", "pieces"} | ({"merges"} if scheme == "bpe" else set()):
            raise UsageError("the tokenizer must hold exactly scheme, pieces and, for bpe, merges")
        pieces = values["pieces"]
        if (
            not isinstance(pieces, list)
            or not all(isinstance(piece, str) and piece for piece in pieces)
            or len(set(pieces)) != len(pieces)
        ):
            raise UsageError("the vocabulary's pieces must be distinct texts")
        known = set(pieces)
        merges = values.get("merges", [])
        if not isinstance(merges, list) or not all(
            isinstance(pair, list)
            and len(pair) == 2
            and all(isinstance(part, str) and part in known for part in pair)
            and "".join(pair) in known
            for pair in merges
        ):
            raise UsageError("the vocabulary's merges must be pairs of pieces that make pieces")
        return cls(scheme, pieces, [(left, right) for left, right in merges])


class StreamDecoder:
    """Ids to text as they come; half bytes are held back until they make characters.

    A half byte without its other half comes from no text; a model can still draw it, and it shows
    as U+FFFD.

    Args:
        errors: what becomes of bytes that are no UTF-8. By default they come back escaped (PEP
            383), as they went in; ``"replace"`` shows U+FFFD, for what a model has drawn.
    """

    def __init__(self, tokenizer: Tokenizer, errors: str = ERRORS) -> None:
        self._errors = errors
        self._pieces = tokenizer.pieces
        self._high: int | None = None
        self._bytes = bytearray()

    def copy(self) -> StreamDecoder:
        """One that goes on from here by itself."""
        other = copy(self)
        other._bytes = self._bytes.copy()
        return other

    def feed(self, token: int) -> str:
        """The text that is certain once ``token`` is known; may be empty."""
        if 1 <= token <= HALF_BYTES:
            half = token - 1
            if self._high is None:
                self._high = half
                return ""
            self._bytes.append(self._high << 4 | half)
            self._high = None
            return self._ready(final=False)
        held = self.finish() if self._bytes or self._high is not None else ""
        return held if token == BOUNDARY else held + self._pieces[token - FIRST_PIECE]

    def finish(self) -> str:
        """What was held back, at the end."""
        text = self._ready(final=True)
        if self._high is not None:
            self._high = None
            text += "\N{REPLACEMENT CHARACTER}"
        return text

    def _ready(self, *, final: bool) -> str:
        if not self._bytes:
            return ""
        text, used = codecs.utf_8_decode(bytes(self._bytes), self._errors, final)
        del self._bytes[:used]
        return text
