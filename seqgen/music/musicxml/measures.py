"""One measure of MusicXML: its attributes, directions and layers, in the order they are met."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from xml.etree.ElementTree import Element

from seqgen.music.musicxml.notations import AT_END, VoiceState, append, jump_sound
from seqgen.music.musicxml.notes import place, write_event
from seqgen.music.musicxml.values import (
    CLEFS,
    DYNAMICS,
    MODES,
    WORDS,
    Harmony,
    parse_harmony,
    written_values,
)
from seqgen.music.score import (
    Attached,
    Bar,
    Chord,
    Clef,
    Event,
    Item,
    Key,
    KeyChange,
    Meter,
    MeterChange,
    Note,
    PartMark,
    Rest,
    Spacer,
    Tempo,
    TempoChange,
)

__all__ = ["clef_octave", "write_clef", "write_key", "write_meter", "write_music", "write_tempo"]

_PLACEMENTS = {"^": "above", "_": "below"}


def clef_octave(clef: Clef) -> int:
    """Octaves that a clef's mark, such as ``-8``, makes its notes sound higher."""
    for mark, octaves in (("+8", 1), ("-8", -1), ("+15", 2), ("-15", -2)):
        if clef.name.endswith(mark):
            return octaves
    return 0


def write_clef(attributes: Element, clef: Clef) -> None:
    """``<clef>`` and, where the voice transposes, ``<transpose>``."""
    octaves = clef_octave(clef)
    name = clef.name.rstrip("0123456789").rstrip("+-") if octaves else clef.name
    sign, line = CLEFS.get(name.rstrip("12345"), ("G", 2))
    if name[-1:] in tuple("12345"):
        line = int(name[-1])
    child = append(attributes, "clef")
    append(child, "sign", sign)
    if sign in ("G", "F", "C"):
        append(child, "line", line)
    if octaves:
        append(child, "clef-octave-change", octaves)
    if clef.transpose:
        append(append(attributes, "transpose"), "chromatic", clef.transpose)


def write_key(attributes: Element, key: Key) -> None:
    """``<key>``: by fifths, or sign by sign where accidentals are added to the mode's."""
    child = append(attributes, "key")
    if key.explicit:
        for step, alter in key.alters:
            append(child, "key-step", step)
            append(child, "key-alter", alter)
        return
    append(child, "fifths", key.fifths)
    if key.mode in MODES:
        append(child, "mode", MODES[key.mode])


def write_meter(attributes: Element, meter: Meter) -> None:
    """``<time>``."""
    symbol = {"C": "common", "C|": "cut"}.get(meter.symbol)
    child = append(attributes, "time", **({"symbol": symbol} if symbol else {}))
    if not meter.beats:
        append(child, "senza-misura")
        return
    append(child, "beats", "+".join(map(str, meter.beats)))
    append(child, "beat-type", meter.unit)


def write_tempo(measure: Element, tempo: Tempo) -> None:
    """``<direction>`` with the tempo's words and figure."""
    direction = append(measure, "direction", placement="above")
    if tempo.text:
        append(append(direction, "direction-type"), "words", tempo.text)
    if tempo.per_minute is not None:
        values = written_values(sum(tempo.beats, Fraction(0)))
        if len(values) == 1 and values[0].name:
            metronome = append(append(direction, "direction-type"), "metronome")
            append(metronome, "beat-unit", values[0].name)
            for _ in range(values[0].dots):
                append(metronome, "beat-unit-dot")
            append(metronome, "per-minute", f"{float(tempo.per_minute):g}")
        elif not tempo.text:
            append(append(direction, "direction-type"), "words", "")
        if tempo.qpm is not None:
            append(direction, "sound", tempo=f"{float(tempo.qpm):g}")


def write_music(
    measure: Element,
    bar: Bar,
    carried: Sequence[Item],
    state: VoiceState,
    following: Sequence[Event | None],
) -> None:
    """Everything between a measure's bar lines; overlays after a ``<backup>``.

    Args:
        carried: what stood in bars before that hold no music.
        following: the next event after this bar; and in the next bar, that of each overlay.
    """
    state.measure += 1
    _write_layer(measure, [*carried, *bar.items], state, 1, following[0])
    duration = bar.duration
    for number, layer in enumerate(bar.overlays, 2):
        if duration:
            append(append(measure, "backup"), "duration", duration * 4 * state.divisions)
        events = [each for each in layer if isinstance(each, Note | Chord | Rest)]
        duration = sum((each.duration for each in events), Fraction(0))
        own = state.over.setdefault(number, VoiceState(state.divisions, False))
        own.octave = state.octave
        after = following[number - 1] if number <= len(following) else None
        _write_layer(measure, layer, own, number, after)
    for number in range(len(bar.overlays) + 2, len(state.over) + 2):
        del state.over[number]


def _write_layer(
    measure: Element, items: Sequence[Item], state: VoiceState, voice: int, following: Event | None
) -> None:
    placed = place([each for each in items if isinstance(each, Note | Chord | Rest)])
    index = 0
    for item in _marks_first(items):
        if isinstance(item, Note | Chord | Rest):
            _write_before(measure, item.attached, state)
            after = placed[index + 1].event if index + 1 < len(placed) else following
            write_event(measure, placed[index], state, voice, after)
            index += 1
        elif isinstance(item, Spacer):
            _write_before(measure, item.attached, state)
        else:
            _write_change(measure, item, state)
    measure.extend(state.at_end)
    state.at_end.clear()


def _marks_first(items: Sequence[Item]) -> list[Item]:
    """The items, marks at the bar's end (such as D.C.) before its last event, where they are drawn.

    After it, verovio would lengthen the staff for them.
    """
    ordered = list(items)
    last = max(
        (at for at, each in enumerate(items) if isinstance(each, Note | Chord | Rest)), default=None
    )
    if last is not None:
        marks = [each for each in items[last + 1 :] if isinstance(each, Spacer)]
        others = [each for each in items[last:] if not isinstance(each, Spacer)]
        ordered[last:] = [*marks, *others]
    return ordered


def _write_change(measure: Element, item: Item, state: VoiceState) -> None:
    if isinstance(item, KeyChange):
        attributes = append(measure, "attributes")
        if item.key is not None:
            write_key(attributes, item.key)
        if item.clef is not None:
            state.octave = clef_octave(item.clef)
            if item.clef.name:
                write_clef(attributes, item.clef)
        if not len(attributes):
            measure.remove(attributes)
    elif isinstance(item, MeterChange):
        write_meter(append(measure, "attributes"), item.meter)
    elif isinstance(item, TempoChange):
        write_tempo(measure, item.tempo)
    elif isinstance(item, PartMark) and state.topmost:
        _write_direction(measure, "rehearsal", item.label, "above")


def _write_direction(measure: Element, tag: str, text: str | None, placement: str) -> None:
    direction = append(measure, "direction", placement=placement)
    append(append(direction, "direction-type"), tag, text)


def _write_before(measure: Element, attached: Attached, state: VoiceState) -> None:
    """What stands over or under an event and belongs to its moment."""
    for text in attached.chord_symbols:
        harmony = parse_harmony(text)
        if harmony is None:
            _write_words(measure, "words", text, text, "above", state)
            continue
        _write_harmony(append(measure, "harmony"), harmony)
    for text in attached.annotations:
        placement = _PLACEMENTS.get(text[:1], "above")
        _write_words(measure, "words", text[1:], text[1:], placement, state)
    for name in attached.decorations:
        if name in DYNAMICS:
            direction = append(measure, "direction", placement="below")
            append(append(append(direction, "direction-type"), "dynamics"), name)
        elif name.lower() in ("segno", "coda"):
            _write_words(measure, name.lower(), None, name, "above", state)
        elif name in WORDS:
            _write_words(measure, "words", WORDS[name], name, "above", state)
        elif name in ("<(", "crescendo(", ">(", "diminuendo("):
            _write_wedge(measure, "crescendo" if name[0] in "<c" else "diminuendo")
        elif name in ("<)", "crescendo)", ">)", "diminuendo)"):
            _write_wedge(measure, "stop")


def _write_words(
    measure: Element, tag: str, text: str | None, name: str, placement: str, state: VoiceState
) -> None:
    """Words or a sign, and what they mean; that of the bar's end, such as D.C., waits for it."""
    sound = jump_sound(name, state)
    direction = Element("direction", placement=placement)
    append(append(direction, "direction-type"), tag, text)
    if sound:
        append(direction, "sound", **sound)
    (measure if AT_END.isdisjoint(sound) else state.at_end).append(direction)


def _write_harmony(parent: Element, harmony: Harmony) -> None:
    _write_step(append(parent, "root"), "root", harmony.root)
    append(parent, "kind", harmony.kind).set("text", harmony.text)
    if harmony.bass is not None:
        _write_step(append(parent, "bass"), "bass", harmony.bass)


def _write_step(parent: Element, name: str, note: tuple[str, int]) -> None:
    step, alter = note
    append(parent, f"{name}-step", step)
    if alter:
        append(parent, f"{name}-alter", alter)


def _write_wedge(measure: Element, kind: str) -> None:
    direction = append(measure, "direction", placement="below")
    append(append(direction, "direction-type"), "wedge", type=kind)
