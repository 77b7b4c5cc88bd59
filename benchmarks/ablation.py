"""What each choice of the recipe is worth: runs of equal time with and without it.

    python benchmarks/ablation.py tinyshakespeare.txt --steps 1500 --seeds 2 > table.md
    python benchmarks/ablation.py irish-train.abc --arch lstm --validation irish-validation.abc

All train for equal time: a change has as many updates as it makes while the product as it is makes
--steps of them, by rates that are measured before the first run, all in turns, in short runs of
which the fastest counts. A machine whose speed moves from run to run would else be what is
measured. The share of updates is rounded to a twentieth: below that the rates are noise.

Every run is `seqgen train --compute plain`, whose parts can be replaced, with one change of those
in changes.py. Prints a Markdown table of the held-out loss, the best of each run. --list names the
changes and --only picks some; --also tries options of `seqgen train` as one more, as in
--also='--ema 0.99'. Options that stand behind the corpus and are not this script's go to every run.
All changes have their turn before the next seed has. With all changes a seed takes about half an
hour.
"""

from __future__ import annotations

import argparse
import dataclasses
import multiprocessing
import pkgutil
import shlex
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from changes import CHANGES, Change

from seqgen import checkpoint
from seqgen.config import to_json
from seqgen.training.metrics import metrics_path, read_curves

AS_IT_IS = "as it is"
PLAN = "seqgen.training.launch.plan_training"  # where a run finds it
PROBES = 2  # short runs of each change, whose rates say how many updates it is to have
PROBE_UPDATES = 100
NOISE = 0.05
# What follows from the number of updates.
BY_STEPS = ("steps", "evaluate_every", "checkpoint_every", "patience")


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to.

    Attributes:
        nats: its best, per character.
        steps: updates.
        tokens_per_second: median.
        settings: the network, recipe and corpus in its model file, but for the number of updates.
    """

    nats: float
    steps: int
    tokens_per_second: float
    settings: dict[str, Any]


def replace_all(change: Change) -> None:
    """Change the product in this process.

    Raises:
        AttributeError: it no longer has what is to be replaced.
    """
    from seqgen.training.runtime import import_tensorflow

    import_tensorflow()

    def plan(plan_training: Any) -> Any:
        return lambda *arguments, **named: dataclasses.replace(
            plan_training(*arguments, **named), **change.recipe
        )

    for place, replace in {PLAN: plan, **change.replaced}.items():
        owner, _, name = place.rpartition(".")
        holder = pkgutil.resolve_name(owner)
        setattr(holder, name, replace(getattr(holder, name)))


def train(arch: str, name: str, arguments: list[str], recipe: dict[str, Any]) -> None:
    """A run's process."""
    change = CHANGES[arch].get(name, Change())
    replace_all(dataclasses.replace(change, recipe=change.recipe | recipe))
    from seqgen.cli.main import main as seqgen

    sys.argv = ["seqgen", "train", *arguments]
    seqgen()


def measure(
    arch: str, name: str, arguments: list[str], model: Path, recipe: dict[str, Any]
) -> Result | None:
    """Train in a process of its own; None if that ended with an error, which it shows."""
    arguments = ["--compute", "plain", *arguments, "-o", str(model), "--force", "--quiet"]
    process = multiprocessing.get_context("spawn").Process(
        target=train, args=(arch, name, arguments, recipe)
    )
    process.start()
    process.join()
    if process.exitcode:
        return None
    curves = read_curves(metrics_path(model))
    card = checkpoint.load(model).card
    settings = to_json(card.model) | card.recipe | card.corpus
    return Result(
        nats=min(curves["nats_per_char"].values),
        steps=int(curves["nats_per_char"].steps[-1]),
        tokens_per_second=statistics.median(curves["tokens_per_second"].values),
        settings={name: value for name, value in settings.items() if name not in BY_STEPS},
    )


def row(
    name: str, change: Change, rate: float, results: Sequence[Result | None], base: list[Result]
) -> str:
    """A line of the table; the first is that of the product as it is."""
    done = [result for result in results if result]
    if len(done) < len(results):
        return f"| {name} | ended with an error | | | |"
    nats = [result.nats for result in done]
    spread = f" ± {(max(nats) - min(nats)) / 2:.4f}" if len(nats) > 1 else ""
    difference = f"{statistics.mean(nats) - statistics.mean(r.nats for r in base):+.4f}"
    same = not change.replaced and done[0].settings == base[0].settings
    if name == AS_IT_IS:
        difference = ""
    elif same or done[0].nats == base[0].nats:
        difference = AS_IT_IS
    steps = statistics.mean(result.steps for result in done)
    return (
        f"| {name} | {statistics.mean(nats):.4f}{spread} | {difference} | {steps:,.0f} "
        f"| {rate:,.0f} |"
    )


def main() -> None:
    """Run all and print the table."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0],
        epilog="Other options are those of `seqgen train` and go to every run.",
        allow_abbrev=False,
    )
    parser.add_argument("corpus", nargs="?")
    parser.add_argument("--arch", choices=CHANGES, default="transformer")
    parser.add_argument(
        "--steps", type=int, default=1500, help="updates of the product as it is (default: 1500)"
    )
    parser.add_argument("--seeds", type=int, default=1, help="runs of each change")
    parser.add_argument("--only", nargs="+", metavar="CHANGE", help="some of the changes")
    parser.add_argument(
        "--also", action="append", default=[], metavar="OPTIONS", help="more changes, as options"
    )
    parser.add_argument("--list", action="store_true", help="name the changes and end")
    options, passed_on = parser.parse_known_args()
    changes = CHANGES[options.arch]
    if options.list:
        print(*changes, sep="\n")
        return
    if options.corpus is None:
        parser.error("name a CORPUS")
    if unknown := set(options.only or []) - set(changes):
        parser.error(f"--list names the changes; there is no {', '.join(sorted(unknown))}")
    chosen = {AS_IT_IS: Change()} | {name: changes[name] for name in options.only or changes}
    chosen |= {also: Change(tuple(shlex.split(also))) for also in options.also}

    results: dict[str, list[Result | None]] = {name: [] for name in chosen}
    with tempfile.TemporaryDirectory() as folder:

        def run(name: str, steps: int, seed: int, **recipe: Any) -> Result | None:
            arguments = [options.corpus, "--arch", options.arch, *passed_on, *chosen[name].options]
            arguments += ["--steps", str(steps), "--seed", str(seed)]
            result = measure(options.arch, name, arguments, Path(folder, "run.safetensors"), recipe)
            if name == AS_IT_IS and result is None:
                sys.exit("there is nothing to compare with")
            return result

        rates = dict.fromkeys(chosen, 0.0)
        for _ in range(PROBES):
            for name in chosen:
                if probed := run(name, PROBE_UPDATES, 0, evaluate_every=PROBE_UPDATES):
                    rates[name] = max(rates[name], probed.tokens_per_second)
        for seed in range(options.seeds):
            for name in chosen:
                share = NOISE * round(rates[name] / rates[AS_IT_IS] / NOISE)
                result = run(name, max(1, round(options.steps * share)), seed)
                results[name].append(result)
                told = f"{result.nats:.4f}" if result else "ended with an error"
                print(f"seed {seed}, {name}: {told}", file=sys.stderr)
    base = [result for result in results[AS_IT_IS] if result]
    typed = [Path(word).name if Path(word).is_file() else word for word in sys.argv[1:]]
    print(f"    python benchmarks/ablation.py {shlex.join(typed)}\n")
    print("| change | nats/char | difference | updates | tokens/s |")
    print("| --- | --- | --- | ---: | ---: |")
    for name, change in chosen.items():
        print(row(name, change, rates[name], results[name], base))


if __name__ == "__main__":
    main()
