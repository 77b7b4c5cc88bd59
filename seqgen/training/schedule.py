"""Over a run: the learning rate, a linear rise, a level stretch, a linear fall to zero; and when
the validation part is scored."""

from __future__ import annotations

__all__ = ["LEVEL", "evaluations_after", "is_evaluated", "rate_at"]

LEVEL = 0.4  # share of the run after which the rate begins to fall


def rate_at(step: int, steps: int, peak: float, warmup_steps: int) -> float:
    """The learning rate of update ``step``, counted from 0, of ``steps``."""
    rise = min(1.0, (step + 1) / max(1, warmup_steps))
    fall = min(1.0, (steps - step) / max(1.0, (1.0 - LEVEL) * steps))
    return peak * rise * fall


def is_evaluated(step: int, steps: int, every: int) -> bool:
    """Whether there is an evaluation after update ``step``, counted from 1, of ``steps``.

    There is one at the end, and one ``every`` so many updates, but not shortly before the end.
    """
    return step == steps or (step % every == 0 and 2 * (steps - step) >= every)


def evaluations_after(step: int, steps: int, every: int) -> int:
    """How many evaluations follow those after the first ``step`` updates."""
    if step >= steps:
        return 0
    last = (2 * steps - every) // (2 * every)  # but for that at the end
    return max(0, last - step // every) + 1
