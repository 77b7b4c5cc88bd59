"""The canonical form of a tune, in which everything that ABC lets a writer leave out is said.

Every repeat gets its opening ``|:``, a last ending ends without ``:|``, every accidental that is
needed is written, the header's fields stand in the standard's order, and a part begins on a line of
its own. Macros, which the parser has expanded, and the marks of text blocks, which belong to no
score, go; ``I:`` fields are written as directives, which they are (3.1.20). What a field's text
says stays as its author wrote it, as long as it agrees with the score.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise, takewhile

from seqgen.music.abc.accents import accents
from seqgen.music.abc.fields import (
    default_unit,
    parse_key,
    parse_meter,
    parse_tempo,
    parse_unit,
)
from seqgen.music.abc.formatting import format_key, format_tempo, format_text
from seqgen.music.accidentals import with_accidentals
from seqgen.music.score import (
    Bar,
    BarLine,
    Change,
    Chord,
    Clef,
    Directive,
    Field,
    Item,
    Key,
    LineBreak,
    Note,
    PartMark,
    Rest,
    Tune,
    Voice,
)
from seqgen.music.unfold import unfold

__all__ = ["agreeing_fields", "canonical", "header_clef"]

_WITHIN_ENDING = ("thin", "dotted", "invisible", "none")
_BLOCK = re.compile(r"(?:begin|end)[a-z]+")


def canonical(tune: Tune) -> Tune:
    """The tune in canonical form; it sounds the same, and its canonical form is itself."""
    voices = tuple(
        with_accidentals(
            _with_parts_after_breaks(_with_openings(voice, tune.parts), len(tune.voices) > 1),
            tune.key,
            tune.directives,
        )
        for voice in tune.voices
    )
    directives = tuple(
        Directive(each.text.strip()) for each in tune.directives if not _BLOCK.match(each.text)
    )
    return replace(tune, voices=voices, directives=directives, fields=agreeing_fields(tune))


def header_clef(tune: Tune) -> Clef:
    """The clef that the header's ``K:`` sets for every voice that does not name its own."""
    for each in reversed(tune.fields):
        if each.name == "K":
            return parse_key(each.value)[1] or Clef()
    return tune.voices[0].clef if not tune.voices[0].id else Clef()


# -- repeats


def _with_openings(voice: Voice, parts: str) -> Voice:
    """The voice with a ``|:`` wherever a repeat goes back to, and without text blocks' marks."""
    bars = [_without_blocks(bar) for bar in voice.bars]
    for index, bar in enumerate(bars):
        bars[index] = _without_first_breaks(bar)
        if bar.events or bar.overlays:
            break
    starts = [
        index for index, bar in enumerate(bars)
        if parts and any(isinstance(item, PartMark) for item in bar.items)
    ]  # fmt: skip
    edges = sorted({0, *starts, len(bars)})
    for begin, end in pairwise(edges):
        for index in _not_repeated(bars[begin:end]):
            _do_not_close(bars, begin + index)
    found = [
        (begin + start, times)
        for begin, end in pairwise(edges)
        for start, times in _unopened(bars[begin:end])
    ]
    for start, times in reversed(found):
        _open(bars, start, times)
    return replace(voice, bars=tuple(bars))


def _not_repeated(bars: Sequence[Bar]) -> list[int]:
    """The bars whose ``:|`` ends a last ending, after which nothing is played again."""
    order = unfold(bars)
    back = {before for before, after in pairwise(order) if after <= before}
    found: list[int] = []
    ending: tuple[int, ...] = ()
    for index, bar in enumerate(bars):
        ending = bar.ending or ending
        following = bars[index + 1] if index + 1 < len(bars) else None
        right = bar.right
        ends = right.closes or right.opens or right.style not in _WITHIN_ENDING
        if not ends or (following and following.ending):
            continue
        if ending and 1 not in ending and right.closes and index in order and index not in back:
            found.append(index)
        ending = ()
    return found


def _do_not_close(bars: list[Bar], index: int) -> None:
    """Make a bar's ``:|`` a double bar, or ``::`` a ``|:``: other programs would repeat there."""
    right = bars[index].right
    style = right.style if right.opens or right.style != "thin" else "double"
    line = BarLine(style, 0, right.opens)
    bars[index] = bars[index]._replace(right=line)
    if index + 1 < len(bars):
        bars[index + 1] = bars[index + 1]._replace(left=line)


def _unopened(bars: Sequence[Bar]) -> list[tuple[int, int]]:
    """The bars that a repeat goes back to without a ``|:``, and how often it is played."""
    order = unfold(bars)
    found: dict[int, int] = {}
    for before, after in pairwise(order):
        repeats = after <= before and any(bar.events for bar in bars[after : before + 1])
        # Going back to an ending is going back to before it, on a pass that skips what is there.
        if repeats and not bars[after].left.opens and not bars[after].ending:
            found[after] = max(found.get(after, 2), bars[before].right.closes)
    return sorted(found.items())


def _open(bars: list[Bar], index: int, times: int) -> None:
    """Put ``|:`` before a bar; after the ``P:`` that the bar begins with, if it does."""
    bar = bars[index]
    leading = list(takewhile(lambda item: isinstance(item, LineBreak | Change), bar.items))
    while leading and not isinstance(leading[-1], PartMark):
        leading.pop()
    if leading and len(leading) == len(bar.items) and index + 1 < len(bars):
        _open(bars, index + 1, times)
        return
    if leading:
        line = BarLine("thin", 0, times)
        before = bar._replace(right=line, items=tuple(leading), overlays=())
        after = bar._replace(left=line, items=bar.items[len(leading) :], ending=(), ending_text="")
        bars[index : index + 1] = [before, after]
        return
    style = "thin" if bar.left.style in ("none", "invisible", "dotted") else bar.left.style
    line = BarLine(style, bar.left.closes, times)
    bars[index] = bar._replace(left=line)
    if index:
        bars[index - 1] = bars[index - 1]._replace(right=line)


def _without_first_breaks(bar: Bar) -> Bar:
    """A bar before or with a voice's first event, with no line ending before that."""
    before = list(takewhile(lambda item: not isinstance(item, Note | Chord | Rest), bar.items))
    if not any(isinstance(item, LineBreak) for item in before):
        return bar
    kept = [item for item in before if not isinstance(item, LineBreak)]
    return bar._replace(items=(*kept, *bar.items[len(before) :]))


def _without_blocks(bar: Bar) -> Bar:
    if not any(isinstance(item, Directive) and _BLOCK.match(item.text) for item in bar.items):
        return bar
    items = tuple(
        item for item in bar.items
        if not (isinstance(item, Directive) and _BLOCK.match(item.text))
    )  # fmt: skip
    return bar._replace(items=items)


def _with_parts_after_breaks(voice: Voice, several: bool) -> Voice:
    """The voice with lines of music that end before part marks, not after them: P: has its line.

    Args:
        several: whether the tune has several voices, among which a part mark stands on a line of
            its own, so that a line of music ends wherever a part begins.
    """
    bars: list[Bar] = []
    begun = False
    for bar in voice.bars:
        items: list[Item] = []
        for item in bar.items:
            place = len(items)
            if isinstance(item, LineBreak):
                while place and isinstance(items[place - 1], PartMark):
                    place -= 1
                if place < len(items) and place and isinstance(items[place - 1], LineBreak):
                    continue
            elif isinstance(item, PartMark) and several and begun:
                if not (items and isinstance(items[-1], LineBreak | PartMark)):
                    items.append(LineBreak())
                place = len(items)
            elif isinstance(item, Note | Chord) and item.joined and _parted(items):
                items.append(item._replace(joined=False))
                continue
            items.insert(place, item)
            begun = begun or isinstance(item, Note | Chord | Rest)
        bars.append(bar._replace(items=tuple(items)))
    return replace(voice, bars=tuple(bars))


def _parted(items: Sequence[Item]) -> bool:
    """Whether a line of music has ended since the last event."""
    for item in reversed(items):
        if isinstance(item, Note | Chord | Rest):
            return False
        if isinstance(item, LineBreak):
            return True
    return False


# -- header


def agreeing_fields(tune: Tune) -> tuple[Field, ...]:
    """X:, T:, the other fields in their order, K:, each with a value that agrees with the tune."""
    titles = [each.value for each in tune.fields if each.name == "T"]
    if tuple(map(accents, titles)) != tune.titles:
        titles = [_escaped(title) for title in tune.titles]
    fields = [Field("X", tune.number), *(Field("T", title) for title in titles)]
    others = [each for each in tune.fields if each.name not in "XTKmI"]
    last = {each.name: index for index, each in enumerate(others)}
    for name, agreeing in _AGREEING.items():
        # What the header does not say has a meaning too.
        if name not in last and (value := agreeing("", tune)):
            fields.append(Field(name, value))
    for index, each in enumerate(others):
        agreed: str | None = each.value
        if each.name in _AGREEING and last[each.name] == index:
            agreed = _AGREEING[each.name](each.value, tune)
        if agreed is not None:
            fields.append(Field(each.name, agreed))
    keys = [each.value for each in tune.fields if each.name == "K"]
    fields.append(Field("K", _key(keys[-1], tune) if keys else _new_key(tune)))
    return tuple(fields)


def _meter(value: str, tune: Tune) -> str | None:
    agrees = parse_meter(value) == tune.meter
    return value if agrees else f"{tune.meter}"


def _unit(value: str, tune: Tune) -> str | None:
    said = parse_unit(value) if value else default_unit(tune.meter)
    return value if said == tune.unit else f"{tune.unit.numerator}/{tune.unit.denominator}"


def _tempo(value: str, tune: Tune) -> str | None:
    if tune.tempo is None:
        return None if value else value
    agrees = value and parse_tempo(value, tune.unit) == tune.tempo
    return value if agrees else format_tempo(tune.tempo)


def _parts(_: str, tune: Tune) -> str | None:
    return tune.parts


def _key(value: str, tune: Tune) -> str:
    key, clef, _ = parse_key(value)
    return value if (key or Key()) == tune.key else format_key(tune.key, clef)


def _new_key(tune: Tune) -> str:
    clef = header_clef(tune)
    return format_key(tune.key, None if clef == Clef() else clef)


_AGREEING: dict[str, Callable[[str, Tune], str | None]] = {
    "M": _meter,
    "L": _unit,
    "Q": _tempo,
    "P": _parts,
}
"""By field, a function of its value and the tune: the value if it says what the tune says, else one
that does; None to leave the field out."""


def _escaped(text: str) -> str:
    return format_text(text).replace("%", "\\%")
