"""Samples written where they go: token by token, whole, as JSON or as sound."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from seqgen.cli import destination
from seqgen.cli.console import put, remark
from seqgen.errors import UsageError

if TYPE_CHECKING:
    from seqgen.cli.destination import Destination
    from seqgen.cli.port import Streams
    from seqgen.sampling.recipe import Recipe
    from seqgen.sampling.sampler import Sampler

__all__ = [
    "choose_target",
    "draw",
    "draw_json",
    "form_beside",
    "payloads",
    "stamps",
    "without_stamp",
]

NATIVE = {"abc": "abc", "text": "txt", "midi": "txt"}  # what each kind of model writes by itself
FEW = 9
STAMPED = {"abc", "mid"}  # the forms that have room for a stamp

Stamped = Callable[[int], str]


def choose_target(
    kind: str, output: str | None, wanted: str | None, *, lines: bool, echo: bool, force: bool
) -> Destination:
    """Where samples go, and as what.

    Args:
        wanted: the form that is asked for; None leaves it to where they go.
    Raises:
        UsageError: the model can't write that, or not so.
        OutputError: the output exists.
    """
    if lines and kind != "text":
        raise UsageError(
            "--lines is for models of text: a tune takes many lines; --jsonl has a prompt a line"
        )
    found = destination.choose(output, wanted, kind, force=force)
    if not echo and found.form != NATIVE[kind]:
        raise UsageError(f"without its prompt it is no whole piece; add --format {NATIVE[kind]}")
    return found


def draw_json(
    sampler: Sampler,
    numbers: Sequence[int],
    recipe: Recipe,
    logprobs: int | None,
    *,
    jsonl: bool,
    stamped: bool,
) -> None:
    """Write samples as JSON, one object a line.

    Args:
        numbers: with ``jsonl``, whose objects say how many, the first of them is the first.
    """
    from seqgen.cli.prompts import draw_objects
    from seqgen.cli.records import Records

    records = Records(recipe, logprobs, stamped)
    if jsonl:
        draw_objects(sampler, records, numbers[0])
        return
    for each in chain.from_iterable(map(sampler.samples, _soon(numbers))):
        put(records.line(sampler, each, {}))


def stamps(sampler: Sampler, recipe: Recipe, target: Destination) -> Stamped:
    """What stands in the sample of a number to say where it comes from, if there is room."""
    if target.form not in STAMPED:
        return without_stamp
    from seqgen.sampling.recipe import Stamp, fingerprint

    model, options = fingerprint(sampler.saved), recipe.to_json()

    def stamped(number: int) -> str:
        again = sampler.attempts.get(number)  # with copies refused, it has been drawn by now
        return str(
            Stamp(
                model, sampler.seed, number, options if not again else options | {"attempt": again}
            )
        )

    return stamped


def without_stamp(_number: int) -> str:
    """Nothing stands there."""
    return ""


def draw(
    sampler: Sampler,
    numbers: Sequence[int],
    target: Destination,
    stamped: Stamped,
    *,
    port: str | None,
    force: bool,
) -> None:
    """Draw samples and write them, or write and play them."""
    if port is not None:
        _play(sampler, numbers, port, stamped)
    elif target.streams:
        _stream(sampler, numbers, stamped)
    else:
        _write(sampler, numbers, target, stamped, force=force)


def _write(
    sampler: Sampler,
    numbers: Sequence[int],
    target: Destination,
    stamped: Stamped,
    *,
    force: bool,
) -> None:
    from seqgen.files import write_atomically

    if not target.is_folder and target.form in destination.BINARY and len(numbers) > 1:
        raise UsageError("a MIDI file holds one tune; for several name a folder, as in -o tunes/")
    drawn = payloads(sampler, numbers, target.form, stamped)
    if target.is_folder:
        assert target.path is not None  # stdout is no folder
        for number, data in zip(numbers, drawn, strict=True):
            stem = f"{sampler.saved.path.stem}-{sampler.seed}-{number + 1}"
            path = destination.numbered(target.path, stem, f".{target.form}", force=force)
            write_atomically(path, data)
            remark(str(path))
    elif target.path is None:
        put(b"\n".join(drawn))
    else:
        write_atomically(target.path, b"\n".join(drawn))


def form_beside(port: str | None, kind: str) -> str | None:
    """What is written while a port plays it; None if that is not for the port to say."""
    if port is None:
        return None
    if kind == "text":
        raise UsageError("this model writes text, which can't be played; drop --port")
    return "abc" if kind == "abc" else "txt"


def _play(sampler: Sampler, numbers: Sequence[int], port: str, stamped: Stamped) -> None:
    from seqgen.cli.port import Heard, opened

    kind = sampler.saved.card.kind
    with opened(port) as out:
        heard = Heard(sampler, kind, out)
        if kind == "abc":
            _stream(heard, numbers, stamped)
            return
        for number in numbers:
            for _ in heard.stream(number):
                pass  # MIDI's events are for no reader


def _stream(sampler: Streams, numbers: Sequence[int], stamped: Stamped) -> None:
    waiting, last = iter(numbers), ""
    current: int | None = None

    def move() -> None:
        nonlocal current, last
        gap = "" if current is None else "\n" if last.endswith("\n") else "\n\n"
        current, last = next(waiting), ""
        line = stamped(current)
        put(gap + line + "\n" * bool(line))

    for number, piece in chain.from_iterable(map(sampler.pieces, _soon(numbers))):
        while current != number:
            move()
        put(piece)
        last = piece
    while current != numbers[-1]:
        move()
    put("" if last.endswith("\n") else "\n")


def _soon(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    """Samples in groups that are drawn together, so that the first is not kept waiting for 63.

    Whoever reads a few of many (`| head`) has them as soon as if there were no more.
    """
    for group in (numbers[:1], numbers[1:FEW], numbers[FEW:]):
        if group:
            yield group


def payloads(
    sampler: Sampler, numbers: Sequence[int], form: str, stamped: Stamped, attempt: int = 0
) -> Iterator[bytes]:
    """Samples in a form, each whole.

    Args:
        stamped: what says where a number's sample comes from; empty for nothing.
        attempt: see ``Sampler.texts``.
    """
    from seqgen.cli.pieces import playable, render

    for number, text in zip(numbers, sampler.texts(numbers, attempt=attempt), strict=True):
        stamp = stamped(number)
        if sampler.saved.card.kind == "midi":
            yield render(text, form, stamp)
        elif form == "mid":
            yield playable(sampler, number, text, stamp)[1]
        else:
            line = f"{stamp}\n" if stamp else ""
            yield (line + text).encode("utf-8", "surrogateescape")
