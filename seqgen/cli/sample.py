"""``seqgen sample``: draw new tunes, text or MIDI from a model."""

from __future__ import annotations

import enum
from functools import cache, partial
from typing import Annotated, Any

import typer

from seqgen.cli.completion import files as files_of
from seqgen.cli.console import Debug, Quiet, Verbose, detail, remark, say
from seqgen.cli.constrained import GrammarFile, JsonSchema, Regex, text_grammar
from seqgen.cli.controls import (
    Bars,
    Explain,
    Infill,
    Key,
    Meter,
    Range,
    Rhythm,
    Title,
    TuneForm,
    Unconstrained,
    UnitLength,
)
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
)
from seqgen.cli.models import Model, find
from seqgen.cli.novel import Against, MaxShared, Novel
from seqgen.cli.prompts import Json, Jsonl, Lines, Logprobs
from seqgen.errors import UsageError

__all__ = ["sample"]

MAX_PROMPT_BYTES = 16 << 20
MAX_JOBS = 256
KEEP = "; a terminal can't show MIDI: add --seed {0} -o song.mid to keep this piece"


class Form(enum.StrEnum):
    abc = "abc"
    txt = "txt"
    mid = "mid"


def sample(
    stdin: Annotated[
        str | None,
        typer.Argument(
            metavar="[-]",
            help="- reads the prompt, text or MIDI, from stdin; so does a pipe, if nothing else "
            "gives one.",
            show_default=False,
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
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            max=MAX_JOBS,
            metavar="N",
            help="Draw many in so many processes; the same bytes, sooner.",
            show_default="one for each core, up to 8, if worth it",
        ),
    ] = None,
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
    prompt_file: Annotated[
        str | None,
        typer.Option(
            "--prompt-file",
            "-f",
            metavar="FILE",
            help="Go on from this file, text or MIDI.",
            autocompletion=files_of,
        ),
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
    meter: Meter = "",
    key: Key = "",
    unit_length: UnitLength = "",
    bars: Bars = None,
    tune_form: TuneForm = "",
    note_range: Range = "",
    rhythm: Rhythm = "",
    title: Title = "",
    infill: Infill = None,
    unconstrained: Unconstrained = False,
    explain: Explain = False,
    lines: Lines = False,
    jsonl: Jsonl = False,
    as_json: Json = False,
    logprobs: Logprobs = None,
    novel: Novel = False,
    max_shared: MaxShared = None,
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
    min_p: MinP = None,
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
    from seqgen.cli import destination, writing
    from seqgen.cli.prompts import draw_lines, require_plain
    from seqgen.cli.spelled import name_unknown
    from seqgen.config import sampling
    from seqgen.files import read_text
    from seqgen.library import load, new_seed
    from seqgen.music.abc.grammar.conditions import WHOLE_RANGE, Conditions, parse_range
    from seqgen.sampling.asked import refuse_copies, require_together, temperatures
    from seqgen.sampling.explanation import Explanation
    from seqgen.sampling.recipe import Recipe

    told, many = jsonl or as_json, lines or jsonl
    require_plain(
        lines=lines,
        told=told,
        many=many and (prompt is not None or prompt_file is not None or num_samples > 1),
        elsewhere=any(each is not None for each in (output, form, port, infill)),
        logprobs=logprobs is not None,
    )
    text, is_midi = _prompt(prompt, prompt_file, stdin, many=many, open_within=infill is not None)
    low, high = parse_range(note_range) if note_range else WHOLE_RANGE
    conditions = Conditions(meter, key, unit_length, rhythm, title, bars or 0, tune_form, low, high)
    initial, last = temperatures(temperature)
    limited = last is not None or max_tokens is not None or bool(stop)
    require_together(
        conditions,
        infill=infill is not None,
        unconstrained=unconstrained,
        explain=explain,
        novel=novel,
        best_of=best_of,
        prompted=bool(text) or not echo,
        limited=limited,
    )
    gaps = None if infill is None else (read_text(infill, max_bytes=MAX_PROMPT_BYTES), infill)
    # Checked before the model is looked for: a wrong option is wrong whatever the model.
    options: dict[str, Any] = {
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
    target = writing.choose_target(
        kind,
        output,
        writing.NATIVE[kind] if told else form.value if form else writing.form_beside(port, kind),
        lines=lines,
        echo=echo,
        force=force,
    )
    seed = new_seed() if seed is None else seed
    detail(f"model {opened.saved.path}")
    explanation = Explanation() if explain else None
    recipe = Recipe(
        sampling(kind, **options),
        _fitting(text, kind, is_midi=is_midi),
        None if unconstrained else conditions,
        gaps,
        text_grammar(regex, grammar, json_schema),
        best_of,
        echo,
    )
    sampler = recipe.sampler(
        opened.saved, seed, explanation.add if explanation else None, jobs=jobs
    )
    refuse_copies(sampler, novel, max_shared, against)
    name_unknown(opened.saved, recipe.prompt)
    line = "seed {0}" + KEEP * (target.form == destination.SUMMARY)
    sampler.begun = cache(partial(remark, line.format(seed)))
    numbers = range(first, first + num_samples)
    if lines:
        draw_lines(sampler, first)
    elif told:
        writing.draw_json(sampler, numbers, recipe, logprobs, jsonl=jsonl, stamped=stamp)
    else:
        stamped = writing.stamps(sampler, recipe, target) if stamp else writing.without_stamp
        writing.draw(sampler, numbers, target, stamped, port=port, force=force)
    if novel:
        detail(f"{len(sampler.attempts):,} samples were drawn again, since they copied the corpus")
    for line in explanation.lines() if explanation else ():
        say(line)


def _prompt(
    prompt: str | None, file: str | None, stdin: str | None, *, many: bool, open_within: bool
) -> tuple[str, bool]:
    """What is to be gone on from, and whether it was MIDI and is now its events."""
    from seqgen.files import STDIN, decode_text, read_bytes, stdin_is_pipe

    if stdin not in (None, STDIN):
        raise UsageError(
            f"'{stdin}' is no option; a prompt is given with -p, a file with -f, and - is stdin"
        )
    if many:
        stdin = None  # its lines are prompts
    given = sum(each is not None for each in (prompt, file, stdin))
    if given > 1:
        raise UsageError("a prompt comes from one of -p, -f and stdin")
    if not (given or many or open_within) and stdin_is_pipe():
        stdin = STDIN
    path = file if stdin is None else stdin
    if path is None:
        return prompt or "", False
    data = read_bytes(path, max_bytes=MAX_PROMPT_BYTES)
    if not data.startswith(b"MThd"):
        return decode_text(data, path=path), False
    from seqgen.music.remi.reader import read

    return read(data, path=path), True


def _fitting(text: str, kind: str, *, is_midi: bool) -> str:
    """A prompt as a model of that kind reads it."""
    from seqgen.sampling.recipe import unstamped

    if is_midi and kind != "midi":
        raise UsageError(
            "only a model of MIDI can go on from MIDI; `seqgen convert tune.mid tune.abc` makes "
            "ABC of a tune"
        )
    return unstamped(text, kind)
