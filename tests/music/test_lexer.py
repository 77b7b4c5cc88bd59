"""The lexer loses nothing, never fails, and cuts where a musician would."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.music.abc.lexer import Context, Kind, Lexeme, lex
from seqgen.music.abc.music_line import lex_runs, pieces_of

ABC_CHARACTERS = "ABCDEFGabcdefgzxyXZ_^=,'0123456789/|:[]()<>{}-.~HTuv!+\"&\\%$`*wKLMQPVsmI \t\n\r"


def kinds_and_texts(text: str, context: Context = Context.BODY) -> list[tuple[str, str]]:
    return [(kind.value, piece) for kind, piece, _ in lex(text, context)]


@given(st.text(), st.sampled_from(Context))
def test_any_text_comes_back(text: str, context: Context) -> None:
    assert "".join(piece for _, piece, _ in lex(text, context)) == text


@given(st.text(ABC_CHARACTERS), st.sampled_from(Context))
def test_notation_comes_back_with_its_offsets(text: str, context: Context) -> None:
    lexemes = lex(text, context)
    assert "".join(piece for _, piece, _ in lexemes) == text
    for _, piece, offset in lexemes:
        assert piece
        assert text.startswith(piece, offset)


@given(st.text(ABC_CHARACTERS.replace("\n", "").replace("\r", ""), min_size=1))
def test_the_parsers_larger_pieces_are_made_of_the_same_lexemes(text: str) -> None:
    line = "z" + text
    fine: list[Lexeme] = []
    for kind, piece, offset in lex_runs(line, 0):
        if kind in (Kind.NOTES, Kind.BAR):
            fine += [(inner, part, offset + at) for inner, part, at in lex(piece, Context.BODY)]
        else:
            fine.append((kind, piece, offset))
    assert fine == lex(line, Context.BODY)


def test_the_parser_takes_a_note_with_its_length_or_two_in_broken_rhythm() -> None:
    line = "^A2 z/ B>>c' <d(e1//f"
    assert [(kind, text) for kind, text, _ in lex_runs(line, 0)] == [
        (Kind.NOTES, "^A2"), (Kind.NOTES, " z/"), (Kind.NOTES, " B>>c'"), (Kind.SPACE, " "),
        (Kind.BROKEN, "<"), (Kind.NOTES, "d"), (Kind.SLUR_OPEN, "("), (Kind.NOTES, "e1//"),
        (Kind.NOTES, "f"),
    ]  # fmt: skip
    assert pieces_of(" B2 >>c'") == [("B2", 1, True), (">>", 4, True), ("c'", 6, False)]


def test_a_tune_from_text_to_text() -> None:
    source = "Some words\n\nX: 1\nT:Tune % not its title\n%%MIDI program 3\nK:D\nd2|\n\nwords again"
    assert kinds_and_texts(source, Context.FILE) == [
        ("text", "Some words"), ("newline", "\n"), ("newline", "\n"),
        ("field", "X:"), ("space", " "), ("value", "1"), ("newline", "\n"),
        ("field", "T:"), ("value", "Tune"), ("space", " "), ("comment", "% not its title"),
        ("newline", "\n"), ("directive", "%%MIDI program 3"), ("newline", "\n"),
        ("field", "K:"), ("value", "D"), ("newline", "\n"),
        ("pitch", "d"), ("length", "2"), ("bar", "|"), ("newline", "\n"), ("newline", "\n"),
        ("text", "words again"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("music", "expected"),
    [
        ("^f'3/2_B,,//=c/", "pitch:^f' length:3/2 pitch:_B,, length:// pitch:=c length:/"),
        ("(3abc (3:2:2d", "tuplet:(3 pitch:a pitch:b pitch:c space:  tuplet:(3:2:2 pitch:d"),
        ("|: :|2 ||", "bar:|: space:  bar::|2 space:  bar:||"),
        ("[ceg]2", "chord_open:[ pitch:c pitch:e pitch:g chord_close:] length:2"),
        ("[K:G] [1a", "inline_field:[K:G] space:  ending:[1 pitch:a"),
        ('"Am7""^high"A', 'chord_symbol:"Am7" annotation:"^high" pitch:A'),
        ("!trill!A+fermata+B", "decoration:!trill! pitch:A decoration:+fermata+ pitch:B"),
        ("+ceg+", "chord_mark:+ pitch:c pitch:e pitch:g chord_mark:+"),
        ("{/ab}c", "grace_open:{/ pitch:a pitch:b grace_close:} pitch:c"),
        ("{d}e", "grace_open:{ pitch:d grace_close:} pitch:e"),
        ("A>>B<c", "pitch:A broken:>> pitch:B broken:< pitch:c"),
        ("(.A-|A)", "slur_open:( shorthand:. pitch:A tie:- bar:| pitch:A slur_close:)"),
        (".(B.-", "slur_open:.( pitch:B tie:.-"),
        ("zxZ4y", "rest:z rest:x bar_rest:Z length:4 spacer:y"),
        ("AB!\\", "pitch:A pitch:B line_break:! continuation:\\"),
        ("A&B`c % end", "pitch:A overlay:& pitch:B ignored:` pitch:c space:  comment:% end"),
        ('"f', 'unknown:" pitch:f'),
        ("G:|", "pitch:G bar::|"),
    ],
)  # fmt: skip
def test_music_is_cut_where_a_musician_would(music: str, expected: str) -> None:
    assert " ".join(f"{kind}:{text}" for kind, text in kinds_and_texts(music)) == expected


@pytest.mark.parametrize(
    "bar",
    [
        "|",
        "||",
        "|]",
        "[|",
        ".|",
        "|:",
        ":|",
        "::",
        ":|:",
        ":||:",
        "|::",
        "::|",
        "[|]",
        "|1",
        ":|2",
        "|1,3",
        ":|1-3",
        "|||:",
        ":|]",
        "[|:",
        "|:|",
    ],
)
def test_every_bar_line_is_one_lexeme(bar: str) -> None:
    assert kinds_and_texts(f"A{bar}") == [("pitch", "A"), ("bar", bar)]


def test_a_bar_line_before_a_bracketed_ending_or_chord_ends_there() -> None:
    assert [text for _, text in kinds_and_texts("|[1a:|[ceg]|]")] == [
        "|", "[1", "a", ":|", "[", "c", "e", "g", "]", "|]",
    ]  # fmt: skip


def test_lyrics_may_begin_with_a_bar_and_fields_stand_in_the_body() -> None:
    assert kinds_and_texts("w:|la la\nK: G\n") == [
        ("field", "w:"), ("value", "|la la"), ("newline", "\n"),
        ("field", "K:"), ("space", " "), ("value", "G"), ("newline", "\n"),
    ]  # fmt: skip


def test_a_text_block_is_not_music() -> None:
    source = "X:1\nK:C\n%%begintext\nA B c\n\n%%endtext\nA\n"
    assert [text for kind, text in kinds_and_texts(source, Context.FILE) if kind == "pitch"] == [
        "A"
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_is_one_lexeme(end: str) -> None:
    assert kinds_and_texts(f"A{end}B{end}") == [
        ("pitch", "A"), ("newline", end), ("pitch", "B"), ("newline", end),
    ]  # fmt: skip
