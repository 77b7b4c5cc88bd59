"""Options that say what a text must be: ``--regex``, ``--grammar`` and ``--json-schema``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from seqgen.errors import UsageError

if TYPE_CHECKING:
    from seqgen.sampling.text_grammar import TextGrammar

__all__ = ["GrammarFile", "JsonSchema", "Regex", "text_grammar"]

TEXT = "Text"
MAX_GRAMMAR_BYTES = 4 << 20

Regex = Annotated[
    str | None,
    typer.Option(
        metavar="RE", help="What is drawn matches this, as a whole.", rich_help_panel=TEXT
    ),
]
GrammarFile = Annotated[
    str | None,
    typer.Option(
        "--grammar", metavar="FILE", help="A grammar of Lark or GBNF.", rich_help_panel=TEXT
    ),
]
JsonSchema = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="JSON that meets this schema.", rich_help_panel=TEXT),
]


def text_grammar(
    regex: str | None, grammar: str | None, json_schema: str | None
) -> TextGrammar | None:
    """What the options ask for; None if nothing.

    Raises:
        UsageError: more than one is given.
        InputError: a file can't be read.
    """
    if sum(each is not None for each in (regex, grammar, json_schema)) > 1:
        raise UsageError("a text is held to one of --regex, --grammar and --json-schema")
    if regex is None and grammar is None and json_schema is None:
        return None
    from seqgen.files import read_text
    from seqgen.sampling.text_grammar import TextGrammar

    if regex is not None:
        return TextGrammar("regex", regex)
    path = grammar if grammar is not None else json_schema
    assert path is not None  # one of the three is given
    source = read_text(path, max_bytes=MAX_GRAMMAR_BYTES)
    return TextGrammar("grammar" if grammar is not None else "json_schema", source, path)
