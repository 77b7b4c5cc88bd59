"""``seqgen corpus list|show|stats``: what there is to learn from."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from seqgen.cli.completion import corpora
from seqgen.cli.console import Color, When, console, printable, put, say
from seqgen.cli.lean import Command, Subcommands
from seqgen.cli.options import Encoding
from seqgen.errors import InputError

if TYPE_CHECKING:
    from seqgen.corpus.catalog import Entry
    from seqgen.corpus.documents import Corpus
    from seqgen.corpus.statistics import Statistics

__all__ = ["app"]

app = typer.Typer(
    cls=Subcommands,
    add_completion=False,
    no_args_is_help=True,
    help="The collections seqgen knows, and what is in a corpus.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command("list", cls=Command)
def list_collections(_color: Color = When.auto) -> None:
    """List the collections that can be named instead of a file.

    In a terminal a table; elsewhere one line a collection, fields separated by tabs.

    Example: seqgen corpus list | cut -f1
    """
    from seqgen.corpus import catalog

    rows = [_row(entry) for entry in catalog.CATALOG.values()]
    if not sys.stdout.isatty():
        _print_lines(rows)
        return
    about = [
        (name, kind, count, place, "\n".join(rest)) for name, kind, count, place, *rest in rows
    ]
    _print_table(("name", "kind", "documents", "place", "title, contents, licence, source"), about)


@app.command(cls=Command)
def show(
    source: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE", help="A collection, or a file.", autocompletion=corpora
        ),
    ],
    which: Annotated[
        str, typer.Argument(metavar="[N|TITLE]", help="Its place, from 1, or part of its title.")
    ] = "1",
    encoding: Encoding = "utf-8",
) -> None:
    """Print one tune (or one text) exactly as a model would learn it.

    Examples: seqgen corpus show ryans-mammoth 12; seqgen corpus show tunes.abc 'blackbird'
    """
    from seqgen.corpus.readers import load

    corpus = load([source], encoding=encoding)
    put(_choose(corpus, source, which))


@app.command(cls=Command)
def stats(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SOURCE]...",
            help="Files, folders, patterns, - or collections; none means ryans-mammoth.",
            autocompletion=corpora,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    encoding: Encoding = "utf-8",
    _color: Color = When.auto,
) -> None:
    """Count documents, characters, duplicates, and for music metres, keys and rhythms.

    Examples: seqgen corpus stats; seqgen corpus stats 'tunes/*.abc' --json
    """
    from seqgen.corpus.readers import load
    from seqgen.corpus.statistics import measure

    statistics = measure(load(sources or [], encoding=encoding))
    if as_json:
        put(json.dumps(asdict(statistics), ensure_ascii=False, indent=2) + "\n")
    else:
        rows = list(_statistics_rows(statistics))
        if sys.stdout.isatty():
            _print_table(("what", "value", "count"), rows)
        else:
            _print_lines(rows)


def _row(entry: Entry) -> tuple[str, ...]:
    from seqgen.corpus.download import Download, find_file

    if not isinstance(entry.place, Download):
        place = "embedded"
    else:
        here = find_file(entry.place)
        place = str(here) if here else "to download"
    facts = (entry.title, entry.what, entry.licence, entry.source)
    return (entry.name, entry.kind, str(entry.documents), place, *facts)


def _choose(corpus: Corpus, source: str, which: str) -> str:
    from seqgen.corpus.tunes import field

    documents = corpus.documents
    if which.isdecimal():
        if not 1 <= int(which) <= len(documents):
            raise InputError(
                f"has no document {which}; it holds {len(documents)}, counted from 1", path=source
            )
        return documents[int(which) - 1].text
    titles = [(field(document.text, "T") or "", document.text) for document in documents]
    found = [(title, text) for title, text in titles if which.casefold() in title.casefold()]
    if not found:
        raise InputError(f"has no tune whose title holds '{which}'", path=source)
    if len(found) > 1:
        others = ", ".join(title for title, _ in found[1:4])
        more = f" and {len(found) - 4} more" if len(found) > 4 else ""
        say(f"seqgen: the first of several; also: {others}{more}")
    return found[0][1]


def _statistics_rows(statistics: Statistics) -> Iterable[tuple[str, str, str]]:
    yield "name", statistics.name, ""
    yield "kind", statistics.kind, ""
    yield "digest", statistics.digest, ""
    unit = "events" if statistics.kind == "midi" else "characters"
    for what in ("documents", "characters", "distinct_characters", "duplicates"):
        name = what.replace("characters", unit).replace("_", " ")
        yield name, "", str(getattr(statistics, what))
    names = ("minimum", "lower quartile", "median", "upper quartile", "maximum")
    for name, length in zip(names, statistics.length_characters, strict=True):
        yield f"length in {unit}", name, str(length)
    for what in ("metre", "key", "rhythm"):
        for value, count in getattr(statistics, what).items():
            yield what, value, str(count)


def _print_lines(rows: Iterable[tuple[str, ...]]) -> None:
    """Fields separated by tabs, for cut, grep and awk."""
    for row in rows:
        put("\t".join(row) + "\n")


def _print_table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    from rich.table import Table

    table = Table(show_lines=any("\n" in cell for row in rows for cell in row))
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "name")
    for row in rows:
        table.add_row(*map(printable, row))
    console(markup=False, highlight=False, emoji=False).print(table)
