"""Many prompts on stdin: a line each (``--lines``), or a JSON object a line (``--jsonl``)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqgen.cli.console import put
from seqgen.errors import InputError, SeqgenError, UsageError
from seqgen.files import STDIN, stream_text

if TYPE_CHECKING:
    from seqgen.cli.records import Records
    from seqgen.sampling.sampler import Sampler

__all__ = ["Json", "Jsonl", "Lines", "Logprobs", "draw_lines", "draw_objects", "require_plain"]

BLOCK = 256  # lines that are answered together
MAX_LINE = 16 << 20  # characters
MOST_SAMPLES = 10_000  # of a line
MOST_SEED = (1 << 64) - 1
MOST_LOGPROBS = 20
FROM_STDIN = "Many prompts from stdin, and JSON"

Lines = Annotated[
    bool,
    typer.Option(
        "--lines",
        help="Go on from each line of stdin, to the end of that line.",
        rich_help_panel=FROM_STDIN,
    ),
]
Jsonl = Annotated[
    bool,
    typer.Option(
        "--jsonl",
        help='A JSON object a line in, such as {"id": 1, "key": "G", "bars": 16}, and out.',
        rich_help_panel=FROM_STDIN,
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json", help="One JSON object a sample, on one line.", rich_help_panel=FROM_STDIN
    ),
]
Logprobs = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=MOST_LOGPROBS,
        metavar="N",
        help="Say in JSON how likely each token was, and which N were likeliest.",
        rich_help_panel=FROM_STDIN,
    ),
]


def require_plain(*, lines: bool, told: bool, many: bool, elsewhere: bool, logprobs: bool) -> None:
    """Refuse options that lines and JSON have no place for."""
    if many:
        raise UsageError("prompts come from stdin, a line each: drop -p, -f and -n")
    if lines and told:
        raise UsageError("--lines writes text, a line each; drop --json and --jsonl")
    if (lines or told) and elsewhere:
        raise UsageError("lines and JSON go to stdout: no --output, --format, --port or --infill")
    if logprobs and not told:
        raise UsageError("--logprobs are written as JSON: add --json or --jsonl")


def draw_lines(sampler: Sampler, first: int) -> None:
    """Go on from each line of stdin; line i, from 0, is sample ``first + i``.

    Args:
        sampler: stops at a newline.
    """
    for begin, lines in _blocks():
        numbers = range(first + begin, first + begin + len(lines))
        drawn = sampler.samples(numbers, [line.removesuffix("\r") for line in lines])
        put("".join(f"{each.opening}{each.text}\n" for each in drawn))


@dataclass(frozen=True, slots=True)
class _Job:
    """A sample that is asked for, and the line that asks, from 1."""

    line: int
    own: Mapping[str, Any]
    number: int
    seed: int
    records: Records


def draw_objects(sampler: Sampler, records: Records, first: int) -> None:
    """Answer each object of stdin with as many as it asks for.

    Args:
        sampler, records: for what an object does not say.
        first: the number of the first sample of those that have no seed of their own.
    Raises:
        UsageError: a line can't be answered; all before it have been.
    """
    number = first
    for begin, lines in _blocks():
        group: list[_Job] = []
        for at, text in enumerate(lines, begin + 1):
            if not text.strip():
                continue
            try:
                jobs, seeded = _jobs(text, at, sampler, records, number)
            except UsageError:
                _answer(sampler, group)  # what was asked before it
                raise
            number += 0 if seeded else len(jobs)
            for job in jobs:
                if group and not _together(group[-1], job):
                    asked, group = group, []
                    _answer(sampler, asked)
                group.append(job)
        _answer(sampler, group)


def _together(last: _Job, job: _Job) -> bool:
    """Whether both can be drawn in one batch."""
    first, second = (replace(each.records.recipe, prompt="") for each in (last, job))
    return first == second and last.seed == job.seed and job.number > last.number


def _answer(sampler: Sampler, jobs: list[_Job]) -> None:
    if not jobs:
        return
    done = 0
    try:
        recipe = replace(jobs[0].records.recipe, prompt="")
        own = recipe.sampler(
            sampler.saved, jobs[0].seed, sampler.observe, sampler.copies, like=sampler
        )
        prompts = [job.records.recipe.prompt for job in jobs]
        drawn = own.samples([job.number for job in jobs], prompts)
        for job, sample in zip(jobs, drawn, strict=True):
            put(job.records.line(own, sample, job.own))
            done += 1
    except SeqgenError as error:
        if len(jobs) == 1:
            raise _wrong(jobs[0].line, str(error)) from error
        # One of them is at fault: those before it are to be answered.
        for job in jobs[done:]:
            _answer(sampler, [job])


def _jobs(
    text: str, line: int, sampler: Sampler, records: Records, number: int
) -> tuple[list[_Job], bool]:
    """The samples that a line asks for, and whether by a seed of its own."""
    from seqgen.sampling.asked import asked

    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _wrong(line, "is no JSON object") from error
    if not isinstance(values, dict):
        raise _wrong(line, "is no JSON object")
    own = {"id": values.pop("id")} if "id" in values else {}
    seeded = "seed" in values
    count = _whole(values, "n", line, 1, MOST_SAMPLES, 1)
    seed = _whole(values, "seed", line, 0, MOST_SEED, sampler.seed)
    first = _whole(values, "first", line, 0, MOST_SEED, 0 if seeded else number)
    wanted = records.logprobs
    if "logprobs" in values:
        wanted = _whole(values, "logprobs", line, 0, MOST_LOGPROBS, 0)
    try:
        recipe = asked(records.recipe, values, sampler.saved.card.kind)
    except UsageError as error:
        raise _wrong(line, str(error)) from error
    told = replace(records, recipe=recipe, logprobs=wanted)
    numbers = range(first, first + count)
    return [_Job(line, own, each, seed, told) for each in numbers], seeded


def _whole(values: dict[str, Any], name: str, line: int, low: int, high: int, default: int) -> int:
    value = values.pop(name, default)
    if type(value) is not int or not low <= value <= high:
        raise _wrong(line, f"{name} must be a whole number from {low} to {high}")
    return value


def _wrong(line: int, message: str) -> UsageError:
    return UsageError(f"<stdin>:{line}: {message}")


def _blocks() -> Iterator[tuple[int, list[str]]]:
    """Lines of stdin as they come, with the place of the first from 0; not too many at once."""
    held, done = "", 0
    for piece in stream_text(STDIN):
        *lines, held = (held + piece).split("\n")
        for at in range(0, len(lines), BLOCK):
            yield done + at, lines[at : at + BLOCK]
        done += len(lines)
        if len(held) > MAX_LINE:
            raise InputError("this line is too long for a prompt", path=STDIN, line=done + 1)
    if held:
        yield done, [held]
