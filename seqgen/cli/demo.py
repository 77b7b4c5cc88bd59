"""``seqgen demo``: the whole way once, on the embedded corpus."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from seqgen.cli.console import (
    Debug,
    Quiet,
    Verbose,
    parse_duration,
    printable,
    quiet,
    remark,
)

__all__ = ["demo"]

FOLDER = Path("demo")
TUNES = 4
TEMPERATURE = 0.9


def demo(
    budget: Annotated[str, typer.Option(metavar="TIME", help="Time to train.")] = "2m",
    seed: Annotated[int, typer.Option(min=0, help="Decides everything.")] = 0,
    _quiet: Quiet = False,
    _verbose: Verbose = False,
    _debug: Debug = False,
) -> None:
    """Learn 1,059 tunes that come with seqgen, and write new ones into demo/.

    It trains for two minutes and needs no download.
    """
    began = time.perf_counter() - time.process_time()

    from seqgen.cli.display import Display
    from seqgen.cli.pieces import playable
    from seqgen.cli.runs import Timing, begin
    from seqgen.cli.train import train_to_end

    seconds = parse_duration(budget)
    model = FOLDER / "model.safetensors"
    remark("Ryan's Mammoth Collection, Boston 1883: reels, jigs, hornpipes and more.")
    display = Display.choose(quiet=quiet())
    timing = Timing(began, display.show_seconds)
    options = {"budget": f"{seconds}s", "seed": seed}
    with ExitStack() as held:
        with display.waiting():
            run = begin([], model, options, None, timing, held, force=True)
        train_to_end(run, display)

    from seqgen.files import write_atomically
    from seqgen.library import load

    sampler = load(model).sampler(seed=seed, temperature=TEMPERATURE)
    for number, drawn in enumerate(sampler.texts(range(TUNES))):
        text, midi = playable(sampler, number, drawn)
        write_atomically(FOLDER / f"tune-{number + 1}.abc", text.encode())
        write_atomically(FOLDER / f"tune-{number + 1}.mid", midi)
        if number == 0:
            typer.echo(printable(text), nl=False)
    remark(
        f"""
{FOLDER}/ holds {TUNES} new tunes as .abc and .mid, and the model that wrote them. Next:

  seqgen sample -m {model} > song.mid     another tune, as MIDI
  seqgen sample -m {model} -n 5 | less    five, as ABC notation
  seqgen train your-tunes.abc{" " * (len(str(model)) + 5)} learn from your own
"""
    )
