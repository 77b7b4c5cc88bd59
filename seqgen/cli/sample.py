"""``seqgen sample``: draw new tunes, text or MIDI from a model."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from seqgen.cli.console import (
    Debug,
    Quiet,
    Verbose,
    detail,
    put,
    remark,
    say,
)
from seqgen.cli.constrained import GrammarFile, JsonSchema, Regex, text_grammar
from seqgen.cli.drawing import (
    FrequencyPenalty,
    LogitBias,
    LoopPenalty,
    MinP,
    PresencePenalty,
    RepeatLastN,
    RepetitionPenalty,
    Temperature,
    TopK,
    TopP,
    TypicalP,
    biases,
    temperatures,
)
from seqgen.cli.models import Model, find
from seqgen.cli.novel import Against, Novel, novelty
from seqgen.cli.prompts import Json, Jsonl, Lines, Logprobs
from seqgen.errors import UsageError

if TYPE_CHECKING:
    from seqgen.checkpoint import Checkpoint
    from seqgen.cli.destination import Destination
    from seqgen.cli.port import Streams
    from seqgen.library import Options
    from seqgen.music.abc.grammar.conditions import Conditions
    from seqgen.sampling.recipe import Recipe
    from seqgen.sampling.sampler import Sampler

__all__ = ["payloads", "sample"]

MAX_PROMPT_BYTES = 16 << 20
CONTROLS = "Tunes"
KEEP = "; a terminal can't show MIDI: add --seed {} -o song.mid to keep this piece"


NATIVE = {"abc": "abc", "text": "txt", "midi": "txt"}  # what each kind of model writes by itself
STAMPED = {"abc", "mid"}  # the forms that have room for a stamp

Stamped = Callable[[int], str]


class Form(enum.StrEnum):
    abc = "abc"
    txt = "txt"
    mid = "mid"


def sample(
    stdin: Annotated[
        str | None,
        typer.Argument(
            metavar="[-]", help="- reads the prompt, text or MIDI, from stdin.", show_default=False
        ),
    ] = None,
    model: Model = None,
    num_samples: Annotated[int, typer.Option("--num-samples", "-n", min=1, help="How many.")] = 1,
    first: Annotated[
        int,
        typer.Option(
            min=0,
            help="Number of the first, from 0: --first 41 draws the 42nd of -n 100 alone.",
        ),
    ] = 0,
    best_of: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="K",
            help="Draw K for each, and keep that of the highest mean log-likelihood a token.",
        ),
    ] = 1,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Same seed, same bytes.", show_default="a new one")
    ] = None,
    prompt: Annotated[
        str | None, typer.Option("--prompt", "-p", metavar="TEXT", help="Go on from this.")
    ] = None,
    echo: Annotated[
        bool, typer.Option("--echo/--no-echo", help="Write the prompt before what is drawn.")
    ] = True,
    max_tokens: Annotated[
        int | None,
        typer.Option(
            "--max-tokens",
            "--max-new-tokens",
            min=1,
            help="Tokens at most.",
            show_default="4000 for music, 500 for text",
        ),
    ] = None,
    stop: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="End before this text appears. Repeatable."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="PATH", help="A file, or a folder for one each."),
    ] = None,
    form: Annotated[
        Form | None,
        typer.Option("--format", help="What is written.", show_default="by where it goes"),
    ] = None,
    stamp: Annotated[
        bool,
        typer.Option(
            "--stamp/--no-stamp", help="Say in ABC, MIDI and JSON what `seqgen replay` needs."
        ),
    ] = True,
    port: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Play over this MIDI port meanwhile; ? lists them."),
    ] = None,
    meter: Annotated[
        str, typer.Option(metavar="6/8", help="Of the tune.", rich_help_panel=CONTROLS)
    ] = "",
    key: Annotated[
        str, typer.Option(metavar="Ador", help="Of the tune.", rich_help_panel=CONTROLS)
    ] = "",
    unit_length: Annotated[
        str, typer.Option(metavar="1/8", help="Unit note length.", rich_help_panel=CONTROLS)
    ] = "",
    bars: Annotated[
        int | None,
        typer.Option(min=1, help="As written, upbeats aside.", rich_help_panel=CONTROLS),
    ] = None,
    tune_form: Annotated[
        str,
        typer.Option(
            "--form",
            metavar="AABB",
            help="Sections of equal bars; AA is one repeated.",
            rich_help_panel=CONTROLS,
        ),
    ] = "",
    note_range: Annotated[
        str,
        typer.Option(
            "--range",
            metavar="G,-b'",
            help="Lowest and highest note.",
            show_default="the corpus's",
            rich_help_panel=CONTROLS,
        ),
    ] = "",
    rhythm: Annotated[
        str, typer.Option(metavar="jig", help="Kind of tune.", rich_help_panel=CONTROLS)
    ] = "",
    title: Annotated[
        str, typer.Option(metavar="TEXT", help="Of the tune.", rich_help_panel=CONTROLS)
    ] = "",
    infill: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Fill every bar written as ? in this tune.",
            rich_help_panel=CONTROLS,
        ),
    ] = None,
    unconstrained: Annotated[
        bool,
        typer.Option(
            "--unconstrained", help="Tunes that may not be valid.", rich_help_panel=CONTROLS
        ),
    ] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="How much probability the grammar removed, on stderr.",
            rich_help_panel=CONTROLS,
        ),
    ] = False,
    lines: Lines = False,
    jsonl: Jsonl = False,
    as_json: Json = False,
    logprobs: Logprobs = None,
    novel: Novel = None,
    against: Against = None,
    regex: Regex = None,
    grammar: GrammarFile = None,
    json_schema: JsonSchema = None,
    logit_bias: LogitBias = None,
    repetition_penalty: RepetitionPenalty = 1.0,
    repeat_last_n: RepeatLastN = 64,
    presence_penalty: PresencePenalty = 0.0,
    frequency_penalty: FrequencyPenalty = 0.0,
    loop_penalty: LoopPenalty = None,
    temperature: Temperature = "1",
    top_k: TopK = 0,
    top_p: TopP = 1.0,
    min_p: MinP = 0.0,
    typical_p: TypicalP = 1.0,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing output.")] = False,
    _quiet: Quiet = False,
    _verbose: Verbose = False,
    _debug: Debug = False,
) -> None:
    """Draw new tunes, text or MIDI from a model. All music is valid: it can be played.

    Redirected to a file, a tune is written as what the file's name says, MIDI if it says nothing;
    to a pipe or a terminal goes ABC notation or text, as it is made. What a model of MIDI draws
    goes to files and pipes as MIDI.

    The filters below apply in the order in which they stand; what a valid tune forbids is taken
    out before --temperature. docs/sampling.md says what each does.
    """
    from seqgen.cli import destination
    from seqgen.cli.prompts import draw_lines
    from seqgen.config import sampling
    from seqgen.files import read_text
    from seqgen.library import load, new_seed
    from seqgen.music.abc.grammar.conditions import WHOLE_RANGE, Conditions, parse_range
    from seqgen.sampling.explanation import Explanation
    from seqgen.sampling.recipe import Recipe

    told = jsonl or as_json
    many = lines or jsonl
    _require_plain(
        lines=lines,
        told=told,
        many=many and (prompt is not None or num_samples > 1),
        elsewhere=any(each is not None for each in (output, form, port, infill)),
        logprobs=logprobs is not None,
    )
    text = _prompt(prompt, None if many and stdin == "-" else stdin)
    low, high = parse_range(note_range) if note_range else WHOLE_RANGE
    conditions = Conditions(meter, key, unit_length, rhythm, title, bars or 0, tune_form, low, high)
    initial, last = temperatures(temperature)
    limited = last is not None or max_tokens is not None or bool(stop)
    _require_together(
        conditions,
        infill=infill is not None,
        unconstrained=unconstrained,
        explain=explain,
        novel=novel is not None,
        best_of=best_of,
        prompted=bool(text) or not echo,
        limited=limited,
    )
    gaps = None
    if infill is not None:
        gaps = read_text(infill, max_bytes=MAX_PROMPT_BYTES), infill
    # Checked before the model is looked for: a wrong option is wrong whatever the model.
    options: Options = {
        "logit_bias": biases(logit_bias),
        "repetition_penalty": repetition_penalty,
        "repeat_last_n": repeat_last_n,
        "presence_penalty": presence_penalty,
        "frequency_penalty": frequency_penalty,
        "loop_penalty": loop_penalty,
        "temperature": initial,
        "final_temperature": last,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "typical_p": typical_p,
        "max_tokens": max_tokens,
        "stop": (*(stop or ()), *["\n"] * lines),
    }
    sampling("text", **options)
    if port is not None:
        if output is not None or form is not None or infill is not None:
            raise UsageError("--port plays what is drawn; drop --output, --format and --infill")
        from seqgen.cli.port import find_port

        port = find_port(port)
    opened = load(find(model))
    kind = opened.card.kind
    target = _target(
        kind,
        output,
        NATIVE[kind] if told else form.value if form else _form_beside(port, kind),
        lines=lines,
        echo=echo,
        force=force,
    )
    seed = new_seed() if seed is None else seed
    detail(f"model {opened.saved.path}")
    remark(f"seed {seed}" + (KEEP.format(seed) if target.form == destination.SUMMARY else ""))
    explanation = Explanation() if explain else None
    recipe = Recipe(
        sampling(kind, **options),
        text,
        None if unconstrained else conditions,
        gaps,
        text_grammar(regex, grammar, json_schema),
        best_of,
        echo,
    )
    sampler = recipe.sampler(opened.saved, seed, explanation.add if explanation else None)
    sampler.novelty = novelty(novel, against, kind)
    _name_unknown(opened.saved, text)
    numbers = range(first, first + num_samples)
    if lines:
        draw_lines(sampler, first)
    elif told:
        _tell(sampler, numbers, recipe, logprobs, jsonl=jsonl, stamped=stamp)
    else:
        stamped = _stamps(sampler, recipe) if stamp and target.form in STAMPED else _unstamped
        _draw(sampler, numbers, target, stamped, port=port, force=force)
    if novel is not None:
        detail(f"{len(sampler.attempts):,} samples were drawn again, since they copied the corpus")
    for line in explanation.lines() if explanation else ():
        say(line)


def _prompt(prompt: str | None, stdin: str | None) -> str:
    if stdin is None:
        return prompt or ""
    if stdin != "-":
        raise UsageError(f"'{stdin}' is no option; a prompt is given with -p, or - for stdin")
    if prompt is not None:
        raise UsageError("a prompt comes from -p or from stdin, not both")
    from seqgen.files import decode_text, read_bytes

    data = read_bytes("-", max_bytes=MAX_PROMPT_BYTES)
    if not data.startswith(b"MThd"):
        return decode_text(data, path="-")
    from seqgen.music.remi.reader import read

    return read(data, path="-")


def _require_plain(*, lines: bool, told: bool, many: bool, elsewhere: bool, logprobs: bool) -> None:
    """Refuse options that lines and JSON have no place for."""
    if many:
        raise UsageError("prompts come from stdin, a line each: drop -p and -n")
    if lines and told:
        raise UsageError("--lines writes text, a line each; drop --json and --jsonl")
    if (lines or told) and elsewhere:
        raise UsageError("lines and JSON go to stdout: no --output, --format, --port or --infill")
    if logprobs and not told:
        raise UsageError("--logprobs are written as JSON: add --json or --jsonl")


def _require_together(
    conditions: Conditions,
    *,
    infill: bool,
    unconstrained: bool,
    explain: bool,
    novel: bool,
    best_of: int,
    prompted: bool,
    limited: bool,
) -> None:
    """Refuse options for tunes that contradict each other."""
    conditioned = conditions != type(conditions)()
    if unconstrained and (conditioned or infill or explain):
        raise UsageError("--unconstrained leaves no condition that could hold; drop one of them")
    if best_of > 1 and (infill or explain):
        raise UsageError("--best-of compares whole draws: no --infill and no --explain")
    if infill and (prompted or conditioned or explain):
        raise UsageError("--infill takes the tune as it stands: no prompt and no other condition")
    if novel and (infill or explain or unconstrained):
        raise UsageError("--novel draws again: no --infill, --explain or --unconstrained")
    if infill and limited:
        raise UsageError("--infill fills bars: one temperature, and no --max-tokens or --stop")


def _target(
    kind: str, output: str | None, wanted: str | None, *, lines: bool, echo: bool, force: bool
) -> Destination:
    from seqgen.cli import destination

    if lines and kind != "text":
        raise UsageError(
            "--lines is for models of text: a tune takes many lines; --jsonl has a prompt a line"
        )
    target = destination.choose(output, wanted, kind, force=force)
    if not echo and target.form != NATIVE[kind]:
        raise UsageError(f"without its prompt it is no whole piece; add --format {NATIVE[kind]}")
    return target


def _name_unknown(saved: Checkpoint, prompt: str) -> None:
    """Say which of a prompt's characters the model can only spell."""
    if not prompt or saved.card.kind == "midi":
        return
    from collections import Counter

    from seqgen.cli.spelled import spelled
    from seqgen.sampling.likelihood import spelled_in

    tokenizer = saved.card.tokenizer
    if found := Counter(spelled_in(tokenizer, tokenizer.encode(prompt))):
        remark(spelled(saved.path.stem, found))


def _tell(
    sampler: Sampler,
    numbers: Sequence[int],
    recipe: Recipe,
    logprobs: int | None,
    *,
    jsonl: bool,
    stamped: bool,
) -> None:
    from seqgen.cli.prompts import draw_objects
    from seqgen.cli.records import Records

    records = Records(recipe, logprobs, stamped)
    if jsonl:
        draw_objects(sampler, records, numbers[0])
        return
    for each in sampler.samples(numbers):
        put(records.line(sampler, each, {}, recipe.prompt))


def _stamps(sampler: Sampler, recipe: Recipe) -> Stamped:
    """What stands in the sample of a number to say where it comes from."""
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


def _unstamped(_number: int) -> str:
    return ""


def _draw(
    sampler: Sampler,
    numbers: Sequence[int],
    target: Destination,
    stamped: Stamped,
    *,
    port: str | None,
    force: bool,
) -> None:
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
    from seqgen.cli import destination
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


def _form_beside(port: str | None, kind: str) -> str | None:
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

    for number, piece in sampler.pieces(numbers):
        while current != number:
            move()
        put(piece)
        last = piece
    while current != numbers[-1]:
        move()
    put("" if last.endswith("\n") else "\n")


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
