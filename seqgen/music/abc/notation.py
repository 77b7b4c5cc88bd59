"""The tables of ABC notation: what its characters mean.

The lexer, the parser, the writer, the transposer and the grammar all read these; a change of the
notation is a change here. Section numbers are those of the ABC standard 2.1
(https://abcnotation.com/wiki/abc:standard:v2.1).
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "ACCIDENTALS",
    "DECORATIONS",
    "MODES",
    "MUSIC",
    "PITCH_CLASSES",
    "SHARPS",
    "SHORTHANDS",
    "STEPS",
    "TEMPO_WORDS",
    "TUPLET_TIMES",
]

SHARPS: Final = "FCGDAEB"
"""Letters in the order in which sharps appear in key signatures."""

STEPS: Final = "CDEFGAB"
"""The letters of an octave in rising order; ``c`` to ``b`` are the octave above ``C`` (4.1)."""

PITCH_CLASSES: Final = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
"""Semitones above C of each letter without accidental."""

ACCIDENTALS: Final = {"": None, "_": -1, "__": -2, "=": 0, "^": 1, "^^": 2}
"""Semitones that a written accidental stands for; none written is None (4.2)."""

MODES: Final = {
    "": 0, "maj": 0, "ion": 0, "lyd": 1, "mix": -1, "dor": -2,
    "m": -3, "min": -3, "aeo": -3, "phr": -4, "loc": -5,
}  # fmt: skip
"""Fifths added to the major key on the same tonic, by the mode's first three letters (3.1.14)."""

SHORTHANDS: Final = {
    ".": "staccato", "~": "roll", "H": "fermata", "L": "accent", "M": "lowermordent",
    "O": "coda", "P": "uppermordent", "S": "segno", "T": "trill", "u": "upbow", "v": "downbow",
}  # fmt: skip
"""The decorations written as one character; U: fields change them (4.14, 4.16)."""

DECORATIONS: Final = frozenset({
    "+", "/", "//", "///", "0", "1", "15ma(", "15ma)", "15mb(", "15mb)", "2", "3", "4", "5",
    "8va(", "8va)", "8vb(", "8vb)", "<(", "<)", ">", ">(", ">)", "Coda", "D.C.", "D.C.alcoda",
    "D.C.alfine", "D.S.", "D.S.alcoda", "D.S.alfine", "Fine", "Segno", "^", "accent", "arpeggio",
    "breath", "coda", "courtesy", "crescendo(", "crescendo)", "dacapo", "dacoda", "diminuendo(",
    "diminuendo)", "downbow", "editorial", "emphasis", "f", "fermata", "ff", "fff", "ffff",
    "fine", "fp", "glissando(", "glissando)", "gmark", "invertedfermata", "invertedturn",
    "invertedturnx", "longphrase", "lowermordent", "marcato", "mediumphrase", "mf", "mordent",
    "mp", "open", "p", "ped", "ped-up", "plus", "pp", "ppp", "pppp", "pralltriller", "rest",
    "roll", "segno", "sf", "sfp", "sfz", "shortphrase", "slide", "snap", "staccato",
    "style=harmonic", "style=normal", "style=rhythm", "style=x", "tenuto", "thumb", "tremolo",
    "trill", "trill(", "trill)", "turn", "turnx", "upbow", "uppermordent", "wedge", "xstem", "~(",
    "~)",
})  # fmt: skip
"""Names that may stand between ``!`` marks (4.14), and some that collections use besides."""

TUPLET_TIMES: Final = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}
"""Default q of a tuplet ``(p``; for 5, 7 and 9 it is 3 in compound metres, else 2 (4.13)."""

TEMPO_WORDS: Final = {
    "larghissimo": 40, "adagissimo": 44, "lentissimo": 48, "largo": 56, "adagio": 59,
    "lento": 62, "larghetto": 66, "adagietto": 76, "andante": 88, "andantino": 96,
    "moderato": 104, "allegretto": 112, "allegro": 120, "vivace": 168, "vivo": 180,
    "presto": 192, "allegrissimo": 208, "vivacissimo": 220, "prestissimo": 240,
}  # fmt: skip
"""Quarter notes a minute of tempo words that come without a figure, as abc2midi plays them."""

_PLUS_DECORATIONS: Final = "|".join(
    name for name in ("trill", "roll", "fermata", "accent", "segno", "coda", "mordent",
    "lowermordent", "uppermordent", "turn", "staccato", "tenuto", "upbow", "downbow", "open",
    "thumb", "breath", "arpeggio", "slide", "snap", "wedge", "pralltriller", "fine", "D\\.C\\.",
    "D\\.S\\.", "dacapo", "dacoda", "emphasis", "plus", "p{1,4}", "f{1,4}", "mp", "mf", "sfz")
)  # fmt: skip

_NUMBERS = r"[0-9]+(?:[-,][0-9]+)*"

MUSIC: Final = {
    "pitch": r"(?:\^\^?|__?|=)?[A-Ga-g][,']*",
    "length": r"[0-9]*/[0-9]+|[0-9]*/+|[0-9]+",
    "space": r"[^\S\r\n]+",
    # Any run of |, : and thick marks is one bar line (4.8), with an ending's numbers (4.9, 4.10).
    "bar": (
        r"(?:\[\|\]|(?:\.|:+)?\[?\|[|:]*(?:\[\|[|:]*)*\]?|::+\]?)"
        rf"(?:{_NUMBERS})?"
    ),
    "ending": rf"\[(?:{_NUMBERS})|\[\"[^\"\r\n]*\"",
    "tuplet": r"\([0-9]+(?::[0-9]*){0,2}",
    "inline_field": r"\[[A-Za-z]:[^\]\r\n]*\]",
    "chord_symbol": r"\"(?:[^\"\r\n^_<>@\\]|\\[^\r\n])(?:[^\"\r\n\\]|\\[^\r\n])*\"|\"\"",
    "annotation": r"\"[\^_<>@](?:[^\"\r\n\\]|\\[^\r\n])*\"",
    "decoration": rf"![^\s!|\[\]\"]+!|\+(?:{_PLUS_DECORATIONS})\+",
    "slur_open": r"\.?\(",
    "slur_close": r"\)",
    "tie": r"\.?-",
    "broken": r">+|<+",
    "rest": r"[zx]",
    "bar_rest": r"[ZX]",
    "spacer": r"y",
    "chord_open": r"\[",
    "chord_close": r"\]",
    "grace_open": r"\{/?",
    "grace_close": r"\}",
    "shorthand": r"[.~H-Wh-w]",
    "overlay": r"&+",
    "chord_mark": r"\+",
    "line_break": r"[!$]",
    "continuation": r"\\",
    "ignored": r"`+",
    "comment": r"%[^\r\n]*",
    "unknown": r"[^\r\n]",
}
"""One regular expression per kind of lexeme in a line of music; the first that matches is it.

None looks ahead or behind, so the kind follows from the lexeme's own text. ``|1``, ``:|2`` and
``[1`` carry their ending; ``!`` and ``$`` alone end a line of the printed score (6.1.1, 9.2).
"""
