"""Estimates of metre, upbeat and key from the notes of a melody."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from seqgen.music.abc.fields import parse_key
from seqgen.music.abc.notation import SHARPS
from seqgen.music.quantisation import Sounding
from seqgen.music.score import Key, Meter

__all__ = ["estimate_key", "estimate_meter", "upbeat"]

# How well each degree above the tonic fits a key: C. L. Krumhansl, "Cognitive Foundations of
# Musical Pitch" (1990), p. 30.
_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
_METERS = (Meter((4,), 4), Meter((3,), 4), Meter((6,), 8))
_STEP = Fraction(1, 8)
# Of 439 tunes of five collections this leaves 95 % of those without an upbeat as they are, and
# finds 38 % of the upbeats; half of it 89 % and 47 %.
_CLEARLY = 0.2
_FEWEST_BARS = 8


def estimate_key(notes: Sequence[Sounding]) -> Key:
    """The major or minor key whose profile fits best how long each pitch class sounds."""
    weights = [0.0] * 12
    for note in notes:
        for number in note.pitches:
            weights[number % 12] += float(note.duration)
    best, name = -2.0, "C"
    for tonic in range(12):
        turned = weights[tonic:] + weights[:tonic]
        for profile, suffix in ((_MAJOR, ""), (_MINOR, "m")):
            found = _correlation(turned, profile)
            if found > best:
                best, name = found, _name(tonic, suffix)
    return parse_key(name)[0] or Key()


def _name(tonic: int, suffix: str) -> str:
    """The name with the fewest accidentals of a key on a pitch class."""
    lowest = -2 if suffix else -5  # fifths above C: from B flat minor, from D flat major
    at = (7 * tonic - lowest) % 12 + lowest
    sharps = (at + 1) // 7
    return SHARPS[(at + 1) % 7] + ("#" * sharps if sharps > 0 else "b" * -sharps) + suffix


def _correlation(weights: Sequence[float], profile: Sequence[float]) -> float:
    mean, middle = sum(weights) / 12, sum(profile) / 12
    products = sum((w - mean) * (p - middle) for w, p in zip(weights, profile, strict=True))
    spread = sum((w - mean) ** 2 for w in weights) * sum((p - middle) ** 2 for p in profile)
    return products / spread**0.5 if spread > 0 else 0.0


def estimate_meter(notes: Sequence[Sounding]) -> Meter:
    """The metre of 4/4, 3/4 and 6/8 whose bars begin best with notes, at the best upbeat."""
    scored = [
        (max(_strength(notes, meter, phase) for phase in _phases(meter)), -rank, meter)
        for rank, meter in enumerate(_METERS)
    ]
    return max(scored)[2]


def upbeat(notes: Sequence[Sounding], meter: Meter) -> Fraction:
    """How long the first bar is if it is short, else 0; full unless another is clearly better.

    Fewer than eight bars tell too little.
    """
    end = notes[-1].onset + notes[-1].duration
    if meter.duration is None or end < _FEWEST_BARS * meter.duration:
        return Fraction(0)
    plain = _strength(notes, meter, Fraction(0))
    best = max(_phases(meter), key=lambda phase: (_strength(notes, meter, phase), -phase))
    return best if _strength(notes, meter, best) > plain + _CLEARLY else Fraction(0)


def _phases(meter: Meter) -> list[Fraction]:
    length = meter.duration or Fraction(1)
    return [_STEP * number for number in range(int(length / _STEP) or 1)]


def _strength(notes: Sequence[Sounding], meter: Meter, phase: Fraction) -> float:
    """How strong the first beats of bars are, from -1 (held over) up.

    A bar counts as the length of the note that begins it, in quarter notes, at most one; -1 if a
    note is held over its bar line. Half bars count half.
    """
    length = meter.duration or Fraction(1)
    end = notes[-1].onset + notes[-1].duration
    total = 0.0
    bars = 0
    for weight, shift in ((1.0, Fraction(0)), (0.5, length / 2)):
        if shift and meter.beats == (3,):
            continue
        time = phase + shift
        index = 0
        while time < end:
            while index < len(notes) and notes[index].onset + notes[index].duration <= time:
                index += 1
            if index < len(notes) and notes[index].onset == time:
                total += weight * min(1.0, 4 * float(notes[index].duration))
            elif index < len(notes) and notes[index].onset < time:
                total -= weight
            bars += weight == 1.0
            time += length
    return total / max(1, bars)
