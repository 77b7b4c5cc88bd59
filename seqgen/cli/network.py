"""The options of ``seqgen train`` that say what the network is, and what it reads and writes."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

__all__ = [
    "Architecture",
    "Convolution",
    "Dropout",
    "Hidden",
    "Layers",
    "LogitSoftcap",
    "SeqLength",
    "TieEmbeddings",
    "TokenKind",
    "VocabSize",
]


class Arch(enum.StrEnum):
    rnn = "rnn"
    gru = "gru"
    lstm = "lstm"
    transformer = "transformer"


class Tokens(enum.StrEnum):
    auto = "auto"
    char = "char"
    abc = "abc"
    bpe = "bpe"


Architecture = Annotated[
    Arch | None,
    typer.Option(
        help="The network: recurrent (simple, GRU or LSTM), or a Transformer.",
        show_default="transformer",
    ),
]
TokenKind = Annotated[
    Tokens | None,
    typer.Option(
        help="What the network reads and writes one at a time: characters (char), ABC "
        "notation's notes, lengths and bar lines (abc), or frequent parts of words, learnt by "
        "byte-pair encoding (bpe).",
        show_default="auto: abc for tunes, events for MIDI, else char",
    ),
]
VocabSize = Annotated[
    int | None,
    typer.Option(min=1, help="Tokens of bpe, at most.", show_default="by the corpus"),
]
SeqLength = Annotated[
    int | None,
    typer.Option(
        min=2, help="Tokens a sequence, the reach of attention.", show_default="by corpus and time"
    ),
]
Layers = Annotated[
    int | None,
    typer.Option(min=1, help="Layers, or Transformer blocks.", show_default="by corpus and time"),
]
Hidden = Annotated[
    int | None, typer.Option(min=1, help="Width of the network.", show_default="by corpus and time")
]
Dropout = Annotated[
    float | None,
    typer.Option(
        help="Share of activations dropped between layers.", show_default="by corpus and time"
    ),
]
TieEmbeddings = Annotated[
    bool,
    typer.Option(
        "--tie-embeddings", help="Let a Transformer's output share its embedding's numbers."
    ),
]
LogitSoftcap = Annotated[
    float | None,
    typer.Option(
        metavar="CAP", help="Keep a Transformer's logits below this, smoothly, such as 15."
    ),
]
Convolution = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Mix N positions before a Transformer attends, itself and those before; 0: none.",
        show_default="2",
    ),
]
