"""Regexes, grammars and JSON schemas for text, as llguidance follows them.

llguidance (https://github.com/guidance-ai/llguidance) decides byte by byte which tokens may come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from seqgen.errors import InputError, SeqgenError, UsageError
from seqgen.tokenization import BOUNDARY, Tokenizer
from seqgen.tokenization.tokenizer import ERRORS, FIRST_PIECE

if TYPE_CHECKING:
    from llguidance import LLMatcher

__all__ = ["TextGrammar", "matcher_of"]

MISSING = (
    "constrained text needs the package llguidance, which is not installed: "
    "pip install 'seqgen[constrain]'"
)


@dataclass(frozen=True, slots=True)
class TextGrammar:
    """What a text must be.

    Attributes:
        kind: ``regex``, the syntax of Rust's regex crate; ``grammar``, Lark or GBNF; or
            ``json_schema``.
        source: its text.
        path: the file that it came from; None if it was given as it stands.
    """

    kind: Literal["regex", "grammar", "json_schema"]
    source: str
    path: str | None = None

    @property
    def name(self) -> str:
        """What the user calls it."""
        option = "--" + self.kind.replace("_", "-")
        return f"{option} {self.path}" if self.path else option


class _Vocabulary:
    """A vocabulary as llguidance asks for it."""

    eos_token_id = BOUNDARY
    bos_token_id = None
    special_token_ids: Sequence[int] = (BOUNDARY,)

    def __init__(self, tokenizer: Tokenizer, tokens: Sequence[bytes]) -> None:
        self.tokens = tokens
        self._tokenizer = tokenizer

    def __call__(self, text: bytes) -> list[int]:
        ids = iter(self._tokenizer.encode(text.decode("utf-8", ERRORS)).tolist())
        size = self._tokenizer.size
        return [
            token if token >= FIRST_PIECE else size + (token - 1 << 4 | next(ids) - 1)
            for token in ids
        ]


def matcher_of(grammar: TextGrammar, tokenizer: Tokenizer, tokens: Sequence[bytes]) -> LLMatcher:
    """What follows a grammar, at its beginning.

    Args:
        tokenizer: of the model.
        tokens: the bytes of the model's tokens, then those of the 256 bytes; empty: never.
    Raises:
        SeqgenError: llguidance is not installed.
        UsageError: the regex is none.
        InputError: the grammar's file has a fault.
    """
    try:
        import llguidance
    except ImportError as error:
        raise SeqgenError(MISSING) from error

    vocabulary = llguidance.TokenizerWrapper(_Vocabulary(tokenizer, tokens))
    try:
        if grammar.kind == "json_schema":
            # One line, without white space, in which a small model would lose itself.
            source = llguidance.LLMatcher.grammar_from_json_schema(
                grammar.source, {"whitespace_flexible": False}
            )
        else:
            source = llguidance.grammar_from(grammar.kind, grammar.source)
    except ValueError as error:
        raise _fault(grammar, str(error)) from error
    matcher = llguidance.LLMatcher(
        llguidance.LLTokenizer(vocabulary, n_vocab=len(tokens), slices=[]),
        source,
        log_level=0,
        limits=llguidance.LLParserLimits(verbose_errors=False),
    )
    if matcher.is_error():
        raise _fault(grammar, matcher.get_error())
    return matcher


def _fault(grammar: TextGrammar, message: str) -> SeqgenError:
    """llguidance's words, of which the first lines say what and where."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    what = next((line for line in lines if line.startswith("error: ")), lines[0] if lines else "")
    what = what.removeprefix("error: ")
    if grammar.path is None:
        return UsageError(f"{grammar.name} can't be used: {what}")
    return InputError(
        f"is no {grammar.kind.replace('_', ' ')} to draw by: {what}", path=grammar.path
    )
