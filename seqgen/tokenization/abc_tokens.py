"""The `abc` scheme: one token a lexeme of the ABC notation.

A note's pitch (accidental, letter and octave) is a token, its length another; so are a bar line, a
tuplet's opening, a chord symbol, a field's name, a common field value such as ``6/8``. Words, which
the lexer keeps whole, are common only by chance: those that are rare are spelled in characters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from seqgen.music.abc.lexer import Context, lex

__all__ = ["split", "vocabulary"]

# A lexeme seen less often than this teaches its embedding little; spelled out, it shares what the
# characters have learnt.
RARE = 5


def split(text: str) -> Iterable[str]:
    """The lexemes of a tune, whose first lines may be missing."""
    return (piece for _, piece, _ in lex(text, Context.HEADER))


def vocabulary(texts: Iterable[str]) -> list[str]:
    """Every character of the texts, then every common lexeme, each in code-point order."""
    characters: set[str] = set()
    lexemes: Counter[str] = Counter()
    for text in texts:
        characters.update(text)
        lexemes.update(split(text))
    common = {piece for piece, count in lexemes.items() if count >= RARE}
    return sorted(characters) + sorted(common - characters)
