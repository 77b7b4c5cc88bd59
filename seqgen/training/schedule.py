"""The learning rate over a run: a linear rise, a level stretch, a linear fall to zero."""

from __future__ import annotations

__all__ = ["LEVEL", "rate_at"]

LEVEL = 0.4  # share of the run after which the rate begins to fall


def rate_at(step: int, steps: int, peak: float, warmup_steps: int) -> float:
    """The learning rate of update ``step``, counted from 0, of ``steps``."""
    rise = min(1.0, (step + 1) / max(1, warmup_steps))
    fall = min(1.0, (steps - step) / max(1.0, (1.0 - LEVEL) * steps))
    return peak * rise * fall
