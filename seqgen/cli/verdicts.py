"""How scores look: columns in a pipe, a table in a terminal, JSON where it is asked for."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from seqgen.cli.console import (
    console,
    printable,
    put,
)
from seqgen.files import STDIN
from seqgen.sampling.likelihood import Surprise, tokens

if TYPE_CHECKING:
    from rich.console import Console

    from seqgen.checkpoint import Card
    from seqgen.sampling.scoring import Verdict

__all__ = ["Records", "Tokens"]

# The background of a token in a terminal: from how many bits on, and its colour of the 256.
HEAT = [(0.0, None), (1.0, 230), (2.0, 229), (3.0, 222), (5.0, 215), (7.0, 208), (10.0, 196)]
END = "\N{END OF PROOF}"
NUMBER = 11  # width of a column of numbers
WHERE = 20


class Records:
    """Prints verdicts.

    Args:
        names: of the models.
        by: ``line``, ``tune`` or ``file``; midi: whether events are counted.
    """

    def __init__(self, names: Sequence[str], by: str, *, midi: bool, as_json: bool) -> None:
        self._names, self._by = names, by
        self._unit = "event" if midi else "char"
        self._json = as_json
        self._table = sys.stdout.isatty() and not as_json
        self._begun = False

    def print(self, verdicts: Sequence[Verdict]) -> None:
        """Write them, and see that they arrive."""
        lines: list[str] = []
        if self._table:
            if verdicts and not self._begun:
                lines.append(self._row(self._heads()))
                self._begun = True
            lines += [self._row(self._columns(each)) for each in verdicts]
        elif self._json:
            lines = [json.dumps(self._fields(each), ensure_ascii=False) for each in verdicts]
        else:
            lines = ["\t".join(self._columns(each)) for each in verdicts]
        put("".join(f"{line}\n" for line in lines))

    def totals(self, total: Verdict, count: int) -> Iterator[str]:
        """What all of them come to, a line a model."""
        noun = {"char": "character", "event": "event"}[self._unit]
        what = f"{total.units:,} {noun}s in {count:,} {self._by}{'s' * (count != 1)}"
        if not total.units:
            yield what
            return
        for name, bits, perplexity, nats in zip(
            self._names, total.bits_per_unit, total.perplexity, total.nats, strict=True
        ):
            head = f"{name}: " if len(self._names) > 1 else ""
            yield (
                f"{head}{what}: {bits:.4f} bits a {noun}, perplexity {perplexity:.3f}, "
                f"log-likelihood {-nats:,.1f} nats"
            )

    def _heads(self) -> list[str]:
        units = f"{self._unit}s"
        if len(self._names) > 1:
            return [*self._names, "best", units, "where", self._text_head()]
        return [f"bits/{self._unit}", "perplexity", "log-lik.", units, "where", self._text_head()]

    def _text_head(self) -> str:
        return {"line": "line", "tune": "title", "file": ""}[self._by]

    def _columns(self, each: Verdict) -> list[str]:
        bits = each.bits_per_unit
        if len(self._names) > 1:
            numbers = [*(f"{value:.4f}" for value in bits), self._names[each.best]]
        else:
            numbers = [f"{bits[0]:.4f}", f"{each.perplexity[0]:.4f}", f"{-each.nats[0]:.3f}"]
        return [*numbers, str(each.units), _where(each.path, each.line), each.text]

    def _row(self, columns: Sequence[str]) -> str:
        *numbers, where, text = columns
        widths = [max(NUMBER, len(name)) for name in self._heads()[: len(numbers)]]
        if len(self._names) > 1:
            widths[-2] = max(map(len, self._names))  # the likelier model's
        cells = [f"{cell:>{width}}" for cell, width in zip(numbers, widths, strict=True)]
        row = printable("  ".join([*cells, f"{where:<{WHERE}}", text]).replace("\t", " "))
        return row[: shutil.get_terminal_size().columns].rstrip()

    def _fields(self, each: Verdict) -> dict[str, Any]:
        place: dict[str, Any] = {"file": each.path}
        if each.line is not None:
            place["line"] = each.line
            place["text" if self._by == "line" else "title"] = each.text
        place[f"{self._unit}s"] = each.units
        models = [
            {
                "log_likelihood": -nats,
                f"bits_per_{self._unit}": bits,
                "perplexity": perplexity,
                "tokens": count,
            }
            for nats, bits, perplexity, count in zip(
                each.nats, each.bits_per_unit, each.perplexity, each.tokens, strict=True
            )
        ]
        if len(models) == 1:
            return place | models[0]
        named = dict(zip(self._names, models, strict=True))
        return place | {"models": named, "best": self._names[each.best]}


class Tokens:
    """Prints every token with its surprise: as columns, or its text on a colour."""

    def __init__(self, card: Card, by: str, *, as_json: bool) -> None:
        self._tokenizer, self._json = card.tokenizer, as_json
        # Of a tune, lines may be left out: then its own place is all that is certain.
        self._follows_lines = card.kind == "text" and by == "file"
        self._console = None if as_json else _colours()
        self._begun = False

    def add(self, path: str, line: int, surprise: Surprise) -> None:
        """The tokens of a line or tune, or of the part of a text that begins in a line."""
        found = [(text, nats / math.log(2)) for text, nats in tokens(self._tokenizer, surprise)]
        if self._console is not None:
            self._paint(self._console, found)
            return
        lines = []
        for text, bits in found:
            if self._json:
                fields = {"file": path, "line": line, "token": text, "bits": bits}
                lines.append(json.dumps(fields, ensure_ascii=False))
            else:
                lines.append(f"{bits:.4f}\t{_where(path, line)}\t{_escaped(text)}")
            if self._follows_lines:
                line += text.count("\n")
        put("".join(f"{each}\n" for each in lines))

    def _paint(self, console: Console, found: Sequence[tuple[str, float]]) -> None:
        from rich.text import Text

        if not self._begun:
            self._begun = True
            legend = Text("bits: ")
            for least, colour in HEAT:
                legend.append(f" {least:g}\N{EN DASH} ", style=_style(colour))
            console.print(legend)
        painted = Text(end="")
        for text, bits in found:
            colour = next(colour for least, colour in reversed(HEAT) if bits >= least)
            shown = printable(text) or f"{END}\n"
            if colour is not None:
                shown = shown.replace("\n", "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}\n")
            for part in shown.splitlines(keepends=True):
                painted.append(part.rstrip("\n"), style=_style(colour))
                painted.append("\n" * part.endswith("\n"))
        console.print(painted, end="")


def _style(colour: int | None) -> str:
    return "" if colour is None else f"color(16) on color({colour})"


def _colours() -> Console | None:
    """A console where stdout is a terminal that shows colours, or --color asks for them."""
    out = console(highlight=False, soft_wrap=True, markup=False, emoji=False)
    return out if out.is_terminal and out.color_system and not out.no_color else None


def _where(path: str, line: int | None) -> str:
    name = "<stdin>" if path == STDIN else path
    return name if line is None else f"{name}:{line}"


def _escaped(text: str) -> str:
    for plain, escaped in (("\\", "\\\\"), ("\n", "\\n"), ("\t", "\\t"), ("\r", "\\r")):
        text = text.replace(plain, escaped)
    return text
