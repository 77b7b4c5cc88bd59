"""The options that say how tokens are drawn, in the order in which they apply."""

from __future__ import annotations

from typing import Annotated

import typer

from seqgen.errors import UsageError

__all__ = [
    "FrequencyPenalty",
    "LogitBias",
    "LoopPenalty",
    "MinP",
    "PresencePenalty",
    "RepeatLastN",
    "RepetitionPenalty",
    "Temperature",
    "TopK",
    "TopP",
    "TypicalP",
    "biases",
]

FILTERS = "Filters, in the order in which they apply"

LogitBias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TOKEN=VALUE",
        help="Add to a token's logit, -100 to 100; -inf bans it, <end> is the end. Repeatable.",
        rich_help_panel=FILTERS,
    ),
]
RepetitionPenalty = Annotated[
    float,
    typer.Option(
        "--repetition-penalty",
        "--repeat-penalty",
        help="Divide positive logits of tokens that have come, multiply negative ones; 1 is off.",
        rich_help_panel=FILTERS,
    ),
]
RepeatLastN = Annotated[
    int,
    typer.Option(
        "--repeat-last-n",
        "--penalty-window",
        help="Tokens that --repetition-penalty looks back on; -1 is all, the prompt too.",
        rich_help_panel=FILTERS,
    ),
]
PresencePenalty = Annotated[
    float,
    typer.Option(help="Nats off tokens drawn before.", rich_help_panel=FILTERS),
]
FrequencyPenalty = Annotated[
    float,
    typer.Option(help="Nats off tokens each time they were drawn.", rich_help_panel=FILTERS),
]
LoopPenalty = Annotated[
    float | None,
    typer.Option(
        help="Nats off what would repeat a bar or phrase that has just come three times.",
        show_default="4 for ABC, else 0",
        rich_help_panel=FILTERS,
    ),
]
Temperature = Annotated[
    str,
    typer.Option(
        "--temperature",
        "--temp",
        metavar="T|T..T",
        help="Below 1 safer, above 1 wilder, 0 greedy; 0.7..1.1 rises over the piece.",
        rich_help_panel=FILTERS,
    ),
]
TopK = Annotated[
    int, typer.Option(help="Keep the k likeliest tokens; 0 keeps all.", rich_help_panel=FILTERS)
]
TopP = Annotated[
    float,
    typer.Option(
        help="Keep the likeliest tokens that make up this probability.", rich_help_panel=FILTERS
    ),
]
MinP = Annotated[
    float | None,
    typer.Option(
        help="Drop tokens less likely than this share of the likeliest.",
        show_default="0.05 for ABC, else 0",
        rich_help_panel=FILTERS,
    ),
]
TypicalP = Annotated[
    float,
    typer.Option(
        "--typical-p",
        "--typical",
        help="Keep the tokens of most typical information that make up this probability.",
        rich_help_panel=FILTERS,
    ),
]


def biases(texts: list[str] | None) -> tuple[tuple[str, float], ...]:
    """Tokens, by their text, and what is added to their logits, of ``TOKEN=VALUE`` each.

    Raises:
        UsageError: a text is not that.
    """
    found = []
    for text in texts or ():
        # A token may hold = itself.
        token, _, value = text.rpartition("=")
        try:
            found.append((token, float(value)))
        except ValueError:
            raise UsageError(f"logit-bias must be TOKEN=VALUE, as in z=-2, not '{text}'") from None
    return tuple(found)
