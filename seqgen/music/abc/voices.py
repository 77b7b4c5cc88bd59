"""The voices of a tune, which ``V:`` fields name and switch between (7)."""

from __future__ import annotations

from seqgen.music.abc.bars import Report
from seqgen.music.abc.fields import merge_voice, parse_voice
from seqgen.music.abc.header import Header, attempt
from seqgen.music.abc.voice import VoiceBuilder
from seqgen.music.diagnostics import Severity
from seqgen.music.score import PartMark, Voice

__all__ = ["Voices"]

_MAX_VOICES = 64


class Voices:
    """The voices of one tune in the order in which they first appear.

    Args:
        header: of the tune, which says with what each voice begins.
        end: where the tune ends.
        report: where diagnostics go.
    """

    def __init__(self, header: Header, end: int, report: Report) -> None:
        self._header = header
        self._end = end
        self._report = report
        self._builders: dict[str, VoiceBuilder] = {}
        self._part: str | None = None

    def begin(self, voice_id: str = "") -> VoiceBuilder:
        """A new voice, with what the header says of it."""
        header, builders = self._header, self._builders
        unnamed = builders.get("")
        if unnamed is not None and not unnamed.notes and _only_marks(unnamed):
            del builders[""]  # nothing was written before the first V:
        if voice_id == "" and header.voices:
            voice_id = next(iter(header.voices))
        said = header.voices.get(voice_id)
        clef = said.clef if said and said.clef else header.clef
        builder = VoiceBuilder(voice_id, clef, header.key, header.meter, header.unit, self._report)
        builder.name = said.name or "" if said else ""
        for directive in header.directives:
            builder.follow(directive)
        if self._part is not None:
            builder.change(PartMark(self._part), self._end)
        builders[voice_id] = builder
        return builder

    def switch(self, value: str, offset: int) -> VoiceBuilder | None:
        """The voice that a ``V:`` names, which may be new; None if it can't be."""
        parsed = attempt(parse_voice, value, "voice", self._report, offset)
        if parsed is None:
            return None
        builders = self._builders
        unnamed = builders.get("")
        if unnamed is not None and (unnamed.notes or unnamed.bars.items):
            # Music before the first V: is voice 1's, as abc2midi has it too.
            del builders[""]
            unnamed.id = "1"
            builders["1"] = unnamed
        known = builders.get(parsed.id)
        if known is None and len(builders) >= _MAX_VOICES:
            message = f"this tune has more than {_MAX_VOICES} voices"
            self._report("too-long", Severity.ERROR, message, offset, len(value))
            return None
        if known is None:
            known = self.begin(parsed.id)
        if parsed.name is not None:
            known.name = parsed.name
        if parsed.clef is not None:
            known.set_clef(parsed.clef)
        said = self._header.voices
        said[parsed.id] = merge_voice(said.get(parsed.id), parsed)
        return known

    def mark_part(self, label: str, offset: int) -> None:
        """Begin a part in every voice, and in those to come."""
        self._part = label
        for builder in self._builders.values():
            builder.change(PartMark(label), offset)

    def have_notes(self) -> bool:
        """Whether any voice has a note or rest."""
        return any(builder.notes for builder in self._builders.values())

    def count(self) -> int:
        """Notes and rests of the longest voice, or grace notes and further notes of chords."""
        counts = [builder.bars.count() for builder in self._builders.values()]
        return max(sum(more for _, more in counts), *(events for events, _ in counts))

    def finish(self) -> tuple[Voice, ...]:
        """The voices that hold anything, or the first."""
        voices = tuple([builder.finish(self._end) for builder in self._builders.values()])
        if len(voices) == 1:
            return voices
        return tuple(filter(_says_anything, voices)) or voices[:1]


def _only_marks(builder: VoiceBuilder) -> bool:
    return all(isinstance(item, PartMark) for item in builder.bars.items)


def _says_anything(voice: Voice) -> bool:
    """Whether a voice holds more than the part that it was begun in."""
    return any(
        bar.overlays or bar.ending or any(not isinstance(item, PartMark) for item in bar.items)
        for bar in voice.bars
    )
