"""Pictures of runs: how their numbers went, by step or by training time."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from seqgen.errors import UsageError
from seqgen.training.metrics import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FORMS", "Axis", "PlottedRun", "draw"]

Axis = Literal["step", "time"]
FORMS = ("svg", "png")

# Okabe & Ito's colours, which all kinds of sight tell apart; after the last, other dashes.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("solid", "dashed", "dotted", "dashdot")
SIZE_INCHES = (11.0, 6.5)
PNG_DOTS_PER_INCH = 120
SMOOTHING_SHARE = 0.02  # of a curve's points: how far back its average reaches
VALIDATION = {"bits_per_char": "bits/character", "bits_per_event": "bits/event"}
NORM = "gradient_norm"


class _Panel(NamedTuple):
    quantity: str  # "" stands for validation, which has a name by what the runs learn from
    title: str
    noisy: bool  # differs from update to update: an average is drawn over it
    columns: slice  # of a row's six


# Rows of the picture.
PANELS = (
    (
        _Panel("loss_nats", "training loss (nats/token)", True, slice(0, 3)),
        _Panel("", "", False, slice(3, 6)),
    ),
    (
        _Panel("learning_rate", "learning rate", False, slice(0, 2)),
        _Panel(NORM, "gradient norm", True, slice(2, 4)),
        _Panel("tokens_per_second", "tokens/s", True, slice(4, 6)),
    ),
)


@dataclass(frozen=True, slots=True)
class PlottedRun:
    """A run to draw.

    Attributes:
        name: what tells it from the others.
        curves: see seqgen.training.metrics.read_curves.
        clip_norm: what gradient norms were clipped to; None if unknown or not at all.
    """

    name: str
    curves: dict[str, Curve]
    clip_norm: float | None


def draw(runs: Sequence[PlottedRun], form: str, by: Axis) -> bytes:
    """The curves of one or more runs in one picture.

    Args:
        runs: at least one; each has its colour in all panels.
        form: ``svg`` or ``png``.
        by: what the horizontal axis shows.
    Returns:
        The file's bytes, the same for the same runs.
    Raises:
        UsageError: some runs were measured by characters and others by events.
    """
    validation = _validation(runs)
    # Neither pyplot nor its state: a figure of our own draws itself.
    import matplotlib
    from matplotlib.figure import Figure

    settings = {"svg.hashsalt": "seqgen", "font.size": 9.0, "axes.titlesize": 10.0}
    with warnings.catch_warnings(), matplotlib.rc_context(settings):
        # A name in letters that the font lacks shows as boxes, and is no reason to complain.
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        figure = Figure(figsize=SIZE_INCHES, layout="constrained")
        grid = figure.add_gridspec(len(PANELS), 6, height_ratios=(3, 2))
        for row, panels in enumerate(PANELS):
            for panel in panels:
                axes = figure.add_subplot(grid[row, panel.columns])
                _draw_panel(axes, panel if panel.quantity else validation, runs, by)
        _name_runs(figure, runs)
        out = io.BytesIO()
        metadata = {"Date": None} if form == "svg" else {"Software": None}
        figure.savefig(out, format=form, dpi=PNG_DOTS_PER_INCH, metadata=metadata)
    return out.getvalue()


def _validation(runs: Sequence[PlottedRun]) -> _Panel:
    found = [name for name in VALIDATION if any(name in run.curves for run in runs)]
    if len(found) > 1:
        raise UsageError(
            "some of these runs learn MIDI, measured by events, and others text or tunes, measured "
            "by characters, which can't be compared; draw them apart"
        )
    quantity = found[0] if found else next(iter(VALIDATION))
    return _Panel(quantity, f"validation ({VALIDATION[quantity]})", False, slice(3, 6))


def _draw_panel(axes: Axes, panel: _Panel, runs: Sequence[PlottedRun], by: Axis) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator, StrMethodFormatter

    axes.set_title(panel.title, loc="left")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("step" if by == "step" else "training time (s)")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    found = [(i, run.curves[panel.quantity]) for i, run in enumerate(runs)
             if panel.quantity in run.curves]  # fmt: skip
    for place, curve in found:
        _draw_curve(axes, panel, curve, place, by)
    if not found:
        axes.text(0.5, 0.5, "none yet", transform=axes.transAxes, ha="center", color="grey")
    if panel.quantity == "tokens_per_second":
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    elif panel.quantity == "learning_rate":
        axes.set_ylim(bottom=0)
    elif panel.quantity == NORM:
        _draw_norm_scale(axes, runs)


def _draw_curve(axes: Axes, panel: _Panel, curve: Curve, place: int, by: Axis) -> None:
    x = curve.steps if by == "step" else curve.seconds
    colour, dashes = _style(place)
    if panel.noisy:
        axes.plot(x, curve.values, color=colour, alpha=0.25, linewidth=0.8)
        axes.plot(x, smooth(curve.values), color=colour, linestyle=dashes, linewidth=1.5)
        return
    marker = "." if panel.quantity in VALIDATION else ""
    axes.plot(x, curve.values, color=colour, linestyle=dashes, linewidth=1.5, marker=marker)
    if panel.quantity in VALIDATION:
        best = min(range(len(x)), key=lambda i: _or_infinity(curve.values[i]))
        axes.plot(x[best], curve.values[best], color=colour, marker="o", markersize=7)


def _draw_norm_scale(axes: Axes, runs: Sequence[PlottedRun]) -> None:
    """A logarithmic axis, and the thresholds of clipping."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    norms = (value for run in runs if NORM in run.curves for value in run.curves[NORM].values)
    if any(value > 0 and math.isfinite(value) for value in norms):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    limits = [(i, run.clip_norm) for i, run in enumerate(runs) if run.clip_norm is not None]
    shared = len({run.clip_norm for run in runs}) == 1
    for place, limit in limits[:1] if shared else limits:
        colour = "black" if shared else _style(place)[0]
        axes.axhline(
            limit, color=colour, linestyle=(0, (4, 3)), linewidth=1, label=f"clipped to {limit:g}"
        )
    if limits:
        axes.legend(loc="best", frameon=False)


def _name_runs(figure: Figure, runs: Sequence[PlottedRun]) -> None:
    from matplotlib.lines import Line2D

    lines = []
    for place in range(len(runs)):
        colour, dashes = _style(place)
        lines.append(Line2D([], [], color=colour, linestyle=dashes))
    legend = figure.legend(
        lines,
        ["run"] * len(runs),
        loc="outside upper left",
        ncols=min(3, len(runs)),
        frameon=False,
        fontsize=11,
    )
    # A name is a name: no mathematics between its dollars, no meaning in a leading underscore.
    for text, run in zip(legend.get_texts(), runs, strict=True):
        text.set_parse_math(False)
        text.set_text(_describe(run))


def _describe(run: PlottedRun) -> str:
    name = run.name.encode("utf-8", "replace").decode()
    for quantity, unit in VALIDATION.items():
        values = run.curves.get(quantity, Curve()).values
        best = min(map(_or_infinity, values), default=math.inf)
        if math.isfinite(best):
            return f"{name}: best {best:.3f} {unit}"
    return name


def _style(place: int) -> tuple[str, str]:
    return COLOURS[place % len(COLOURS)], DASHES[place // len(COLOURS) % len(DASHES)]


def _or_infinity(value: float) -> float:
    return value if math.isfinite(value) else math.inf


def smooth(values: Sequence[float]) -> list[float]:
    """An exponential average without the pull of a beginning at zero (Adam's correction)."""
    keep = 1.0 - 1.0 / max(1.0, SMOOTHING_SHARE * len(values))
    total = weight = 0.0
    averages = []
    for value in values:
        if math.isfinite(value):
            total = keep * total + (1 - keep) * value
            weight = keep * weight + (1 - keep)
        averages.append(total / weight if weight else math.nan)
    return averages
