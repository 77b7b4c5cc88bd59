"""``seqgen score``: how likely text, lines or tunes are under one or several models."""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from typing import Annotated

import typer

from seqgen.cli.completion import files as files_of
from seqgen.cli.completion import models
from seqgen.cli.console import (
    Color,
    Debug,
    Quiet,
    Verbose,
    When,
    detail,
    remark,
    say,
)
from seqgen.cli.models import MODEL_VARIABLE, find
from seqgen.cli.options import Encoding
from seqgen.cli.spelled import spelled
from seqgen.errors import InputError, UsageError
from seqgen.files import STDIN

__all__ = ["EXAMPLES", "score"]

EXAMPLES = """
Examples:

seqgen score -m prose essay.txt

seqgen score -m irish tunes.abc | sort -n | head

shuf -n 1000 lines.txt | seqgen score -m prose --by line | sort -n | cut -f6-

seqgen score -m jigs -m reels tunes.abc

seqgen score -m irish --tokens tune.abc
"""


class Unit(enum.StrEnum):
    line = "line"
    tune = "tune"
    file = "file"


def score(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE...|-]", help="Text, ABC or MIDI; - is stdin.", autocompletion=files_of
        ),
    ] = None,
    model: Annotated[
        list[Path] | None,  # several in the variable have os.pathsep between them
        typer.Option(
            "--model",
            "-m",
            metavar="PATH|NAME",
            envvar=MODEL_VARIABLE,
            autocompletion=models,
            help="A model file, or a name in checkpoints/; several are compared.",
            show_default="the newest in checkpoints/",
        ),
    ] = None,
    by: Annotated[
        Unit | None,
        typer.Option(
            help="What is scored by itself.", show_default="tune for models of ABC, else file"
        ),
    ] = None,
    tokens: Annotated[
        bool,
        typer.Option("--tokens", help="The surprise of every token; in a terminal as colours."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a line.")] = False,
    encoding: Encoding = "utf-8",
    _color: Color = When.auto,
    _quiet: Quiet = False,
    _verbose: Verbose = False,
    _debug: Debug = False,
) -> None:
    """Say how likely text or tunes are: a file, or each of its lines or tunes by itself.

    A pipe gets, for each, these columns with tabs between them: bits a character, perplexity a
    character, log-likelihood in nats, characters, FILE:LINE, and the line itself or the tune's
    title. With several models: the bits of each, the name of the likelier, characters, FILE:LINE,
    line or title. With --tokens: bits, FILE:LINE, and the token with line ends as \\n. A terminal
    gets the same as a table, and --tokens in colours.

    All that a model predicts counts: of a line its end, and of a tune that it ends, each as a
    character. Of MIDI events are counted. The total is said on stderr.
    """
    from seqgen.cli.verdicts import Records, Tokens
    from seqgen.library import load
    from seqgen.sampling.scoring import Judge, Verdict

    if tokens and model is not None and len(model) > 1:
        raise UsageError("--tokens shows what one model makes of a text; name one -m")
    if not files and sys.stdin.isatty():
        raise UsageError("there is nothing to score; name a file, or - for stdin")
    wanted = [str(each) for each in model] if model else [None]
    opened = [load(find(name)) for name in wanted]
    for each in opened:
        detail(f"model {each.saved.path}")
    names = _names([each.saved.path for each in opened])
    scorers = [each.scorer for each in opened]
    judge = Judge(scorers, by.value if by else None)
    shown = Tokens(opened[0].card, judge.by, as_json=as_json) if tokens else None
    records = Records(names, judge.by, midi=judge.kind == "midi", as_json=as_json)
    total = Verdict("", None, "", 0, *[(0,) * len(opened)] * 2)
    count = 0
    failed = False
    for file in files or [STDIN]:
        try:
            for verdicts in judge.judge(
                file, encoding=encoding, observe=shown.add if shown else None
            ):
                if shown is None:
                    records.print(verdicts)
                total = sum(verdicts, total)
                count += len(verdicts)
        except InputError as error:
            # As cat does: the others are still worth reading.
            say(f"seqgen: {error}")
            failed = True
    if count or not failed:  # a total of nothing would only bury the error
        for line in records.totals(total, count):
            remark(line)
    for name, scorer in zip(names, scorers, strict=True):
        if scorer.spelled:
            remark(spelled(name, scorer.spelled))
    if failed:
        raise typer.Exit(1)


def _names(paths: list[Path]) -> list[str]:
    """What each model is called: by its file's name, where that tells them apart."""
    stems = [path.stem for path in paths]
    return stems if len(set(stems)) == len(stems) else [str(path) for path in paths]
