"""minutes.pdf in scripts that need shaping, another direction or large fonts, read back with pypdf."""

import io
import re
from functools import cache
from typing import Any

import pytest
from pypdf import PdfReader

from pipelines.core import Minutes, ModelInfo, Segment, Transcript
from pipelines.export.pdf.embedding import EmbeddedFonts
from pipelines.export.pdf.fonts import FACES, REGULAR, face_for, is_printable
from pipelines.export.pdf.shaping import Cluster, Ink, in_visual_order, shape
from pipelines.export.render import minutes_notes, render
from pipelines.notes import Note, NoteCode, NoteValue
from pipelines.text.direction import is_right_to_left, runs_right_to_left
from tests.support.script_samples import MEETINGS, meeting_in

PAGE_WIDTH, MARGIN = 595.3, 62.4  # points: A4, and 2.2 cm
ROUNDING = 0.6


@cache
def reader(language: str) -> PdfReader:
    return PdfReader(io.BytesIO(render("minutes.pdf", *meeting_in(language))))


def composite_fonts(document: PdfReader) -> dict[str, Any]:
    fonts = {}
    for page in document.pages:
        resources: Any = page["/Resources"]
        for font in resources["/Font"].values():
            fonts[font.get_object()["/BaseFont"]] = font.get_object()
    return fonts


def text_of(document: PdfReader) -> str:
    """All text without spaces, which extraction places by guess."""
    return "".join("".join(page.extract_text().split()) for page in document.pages)


def shaped(text: str, language: str) -> list[Cluster]:
    direction = runs_right_to_left(text, language)
    return shape([(text, Ink())], right_to_left=direction, language=language)


def visual(text: str, language: str) -> str:
    return "".join(cluster.text for cluster in in_visual_order(shaped(text, language)))


@pytest.mark.parametrize("language", MEETINGS)
def test_what_was_said_can_be_searched(language: str) -> None:
    """Title, names and transcript come out as they were written, in letters and not in glyphs' shapes."""
    meeting = MEETINGS[language]
    text = text_of(reader(language))
    written = [meeting.title, meeting.recording, *(part for line in meeting.said for part in line)]
    if is_right_to_left(language):  # pypdf leaves words in the order in which they are drawn
        written = re.findall(r"[^\W\d_][\w\u064b-\u0652\u05b0-\u05c2]*", " ".join(written))
    assert {part for part in written if "".join(part.split()) not in text} == set()
    assert "\ufffd" not in text


@pytest.mark.parametrize("language", MEETINGS)
def test_every_font_is_embedded_as_a_subset(language: str) -> None:
    """No reader has to bring a font; the names of subsets begin with six letters."""
    fonts = composite_fonts(reader(language))
    assert len(fonts) >= 3
    for name, font in fonts.items():
        descriptor = font["/DescendantFonts"][0].get_object()["/FontDescriptor"]
        assert re.fullmatch(r"/[A-Z]{6}\+(Noto|Droid).*", name)
        assert len(descriptor["/FontFile2"].get_data()) > 500
        assert "/ToUnicode" in font


@pytest.mark.parametrize("language", MEETINGS)
def test_no_glyph_is_missing(language: str) -> None:
    """Only code 0, which nothing shows, leads to the glyph of missing characters."""
    for font in composite_fonts(reader(language)).values():
        glyph_ids: bytes = font["/DescendantFonts"][0].get_object()["/CIDToGIDMap"].get_data()
        ids = [int.from_bytes(glyph_ids[n : n + 2], "big") for n in range(0, len(glyph_ids), 2)]
        assert ids[0] == 0
        assert 0 not in ids[1:]


def starts(page: Any) -> list[tuple[str, float]]:
    """Each piece of text and where it begins, in points from the left."""
    found: list[tuple[str, float]] = []

    def visit(text: str, cm: list[float], tm: list[float], *_: object) -> None:
        if text.strip():
            found.append((text.strip(), tm[4] * cm[0] + cm[4]))

    page.extract_text(visitor_text=visit)
    return found


@pytest.mark.parametrize(("language", "mirrored"), [("he", True), ("ar", True), ("hi", False), ("ko", False)])
def test_documents_written_from_the_right_are_mirrored(language: str, mirrored: bool) -> None:
    """Times of turns stand at the outer edge, columns run from there, and the page number is at the other end."""
    transcript = dict(reversed(starts(reader(language).pages[1])))
    assert (transcript["0:08"] > PAGE_WIDTH / 2) is mirrored
    summary = dict(reversed(starts(reader(language).pages[0])))
    assert (summary["Decision"] > summary["Time"]) is mirrored
    catalogue: Any = reader(language).trailer["/Root"]
    assert ("/ViewerPreferences" in catalogue and catalogue["/ViewerPreferences"]["/Direction"] == "/R2L") is mirrored


def test_paragraphs_from_right_to_left_end_at_the_right_margin() -> None:
    """Lines of different lengths have their right ends in common."""
    from reportlab.lib.colors import black

    from pipelines.export.pdf.text_block import TextBlock, TextStyle

    style = TextStyle(size=10, leading=14, colour=black)
    text = "החלטנו לדחות את ההשקה ל-15 בדצמבר, כי ההעברה ל-PostgreSQL איטית מהצפוי ועוד לא הסתיימה"
    for language, words, at_right in (("he", text, True), ("en", text, True), ("en", "The launch is put off", False)):
        block = TextBlock([[(words, Ink())]], style, language=language)
        block.wrap(150, 1000)
        assert block.lines
        assert {line.at_right for line in block.lines} == {at_right}
        assert all(line.width <= 150 + ROUNDING for line in block.lines)


def test_lines_break_before_they_are_reordered() -> None:
    """The first line holds the beginning of the sentence, not what stands at its left when it is one line."""
    from reportlab.lib.colors import black

    from pipelines.export.pdf.text_block import TextBlock, TextStyle

    words = ["אחת", "שתיים", "שלוש", "Maria", "Cohen", "ארבע", "חמש", "שש", "שבע", "שמונה", "תשע", "עשר"]
    block = TextBlock([[(" ".join(words), Ink())]], TextStyle(size=10, leading=14, colour=black), language="he")
    block.wrap(110, 1000)
    lines = ["".join(cluster.text for cluster in line.clusters).split() for line in block.lines]
    assert len(lines) > 1
    at = 0
    for line in lines:
        taken = words[at : at + len(line)]
        assert sorted(line) == sorted(word if word.isascii() else word[::-1] for word in taken)
        assert line[-1] == taken[0][::-1] or taken[0].isascii()
        at += len(line)
    assert at == len(words)


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Maria (QA) אמרה", "he", "הרמא Maria (QA)"),  # rule N0: brackets go with what they hold
        ("בשעה 10:30 ב-3.5%", "he", "3.5%-ב 10:30 העשב"),
        ("Agent said שלום today", "en", "Agent said םולש today"),
        ("plain text", "en", "plain text"),
    ],
)
def test_mixed_text_has_the_order_of_the_bidirectional_algorithm(text: str, language: str, expected: str) -> None:
    """Latin names and numbers keep their own direction within a line from right to left."""
    assert visual(text, language) == expected


def test_brackets_are_mirrored_from_right_to_left() -> None:
    """An opening bracket opens to the left there: its glyph is that of the closing one."""
    opening, *_ = shaped("(שלום)", "he")
    assert opening.text == "("
    assert opening.glyphs[0].glyph_id == REGULAR.plain(")")[0].glyph_id


def test_arabic_letters_join() -> None:
    """The same letter has another shape at the beginning, in the middle and at the end of a word."""
    shapes = {cluster.glyphs[0].glyph_id for cluster in shaped("ببب", "ar")}
    assert len(shapes) == 3
    (ligature,) = shaped("لا", "ar")
    assert ligature.text == "لا"


def test_devanagari_is_reordered_and_joined() -> None:
    """The vowel sign I is drawn before its consonant, and consonants without a vowel between them are one shape."""
    (syllable,) = shaped("कि", "hi")
    apart = {cluster.glyphs[0].glyph_id for cluster in shaped("क", "hi")}
    assert {syllable.glyphs[-1].glyph_id} == apart
    (conjunct,) = shaped("क्ष", "hi")
    assert len(conjunct.glyphs) == 1


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("การย้ายฐานข้อมูลช้ากว่าที่คาดไว้เพราะสภาพแวดล้อมสำหรับการทดสอบขัดข้องอยู่สองวัน" * 3, "th"),
        ("កិច្ចប្រជុំបានសម្រេចពន្យារពេលការចាប់ផ្តើមផលិតផលរហូតដល់ខែធ្នូ" * 3, "km"),
        ("ກອງປະຊຸມໄດ້ຕັດສິນໃຈເລື່ອນການເປີດຕົວຜະລິດຕະພັນອອກໄປ" * 3, "lo"),
    ],
)
def test_scripts_without_spaces_wrap_between_words(text: str, language: str) -> None:
    """No line is wider than the column, and no word that fits into one is cut."""
    from icu4py.breakers import LineBreaker
    from reportlab.lib.colors import black

    from pipelines.export.pdf.text_block import TextBlock, TextStyle

    block = TextBlock([[(text, Ink())]], TextStyle(size=10, leading=14, colour=black), language=language)
    block.wrap(160, 1000)
    lines = ["".join(cluster.text for cluster in line.clusters) for line in block.lines]
    assert len(lines) > 3
    assert "".join(lines) == text
    assert all(line.width <= 160 + ROUNDING for line in block.lines)
    starts = {0}
    for word in LineBreaker(text, language):
        starts.add(max(starts) + len(word))
    at = 0
    for line in lines:
        assert at in starts
        at += len(line)


@pytest.mark.parametrize(
    ("character", "font"),
    [
        ("é", "NotoSans-Regular"),
        ("“", "NotoSans-Regular"),
        ("字", "DroidSansFallback"),
        ("。", "NotoSansCJKsc-Punctuation"),
        ("，", "NotoSansCJKsc-Punctuation"),
        ("あ", "DroidSansFallback"),
        ("한", "DroidSansFallback"),
        ("ع", "NotoSansArabic-Regular"),
        ("ש", "NotoSansHebrew-Regular"),
        ("क", "NotoSansDevanagari-Regular"),
        ("ท", "NotoSansThai-Regular"),
        ("♪", "NotoSansSymbols-Regular"),
        ("\U00020000", None),
    ],
)
def test_fonts_follow_the_script(character: str, font: str | None) -> None:
    """Curly quotes are Latin ones also in Chinese; rare Han characters have no font."""
    face = face_for(character)
    assert (face.name if face else None) == font


@pytest.mark.parametrize("encoding", ["gb2312", "big5", "euc_kr", "shift_jis"])
def test_the_usual_east_asian_characters_have_a_font(encoding: str) -> None:
    """All letters and signs of the national standards, but for drawings of their terminals."""
    characters = set()
    for lead in range(0x81, 0xFD):
        for trail in range(0x40, 0xFF):
            character = bytes((lead, trail)).decode(encoding, "ignore")
            characters |= {character} if len(character) == 1 and character.isalpha() else set()
    assert len(characters) > 4000
    assert {character for character in characters if not is_printable(character)} == set()


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.name)
def test_every_font_can_be_embedded(face: Any) -> None:
    """Each file of the package is read, and gives a glyph to a character of its own."""
    code = max(face.hb_face.unicodes)
    fonts = EmbeddedFonts()
    cluster = shape([(chr(code), Ink())], right_to_left=False, language="en")[0]
    assert fonts.show([cluster], 10.0).startswith("/G1 10 Tf")


def test_invisible_characters_leave_no_mark() -> None:
    """Joiners and direction marks steer the letters around them and are not shown."""
    assert not minutes_notes(*spoken("می\u200cخواهم \u200fشلوم\u200e x\ufe0f", "fa"))
    joined, apart = shaped("میخ", "fa"), shaped("می\u200cخ", "fa")
    assert [c.glyphs[0].glyph_id for c in joined][1] != [c.glyphs[0].glyph_id for c in apart][1]


def spoken(text: str, language: str) -> tuple[Transcript, Minutes, str]:
    """A recording in which one sentence is said."""
    segment = Segment(id=0, channel=0, speaker="", start_s=0.0, end_s=5.0, text=text)
    transcript = Transcript(
        duration_s=5.0, language=language, languages=(), segments=(segment,), coverage=(), model=ModelInfo(name="base")
    )
    return transcript, Minutes(title="", language=language, writer="extractive", model="", summary=""), "x.wav"


def test_characters_without_a_font_are_told_once() -> None:
    """In the order of their code points, wherever in the document they stand, and no more than fit into a sentence."""
    (note,) = minutes_notes(*spoken("\U00020000 བ \U00020000 fine", "en"))
    values: dict[str, NoteValue] = {"n_characters": 2, "characters": "བ U+0F56, \U00020000 U+20000"}
    assert note == Note(code=NoteCode.UNPRINTABLE_CHARACTERS, values=values)
    (note,) = minutes_notes(*spoken("".join(map(chr, range(0x20000, 0x20064))), "en"))
    assert note.values["n_characters"] == 100
    assert str(note.values["characters"]).endswith("U+20007, …")


@pytest.mark.parametrize("language", MEETINGS)
def test_six_scripts_need_no_note(language: str) -> None:
    """Everything in these documents has a font."""
    assert minutes_notes(*meeting_in(language)) == ()


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Maria אמרה שלום", "he", True),
        ("Summary", "he", False),
        ("Agent: good morning שלום", "en", False),
        ("דנה: בוקר טוב, נתחיל OK", "en", True),
        ("2026", "ar", False),
    ],
)
def test_a_paragraph_runs_as_its_letters_and_its_document_do(text: str, language: str, expected: bool) -> None:
    """A foreign name at the beginning turns nothing around."""
    assert runs_right_to_left(text, language) is expected


def test_languages_written_from_right_to_left() -> None:
    """Regions change nothing, and another script does."""
    assert all(map(is_right_to_left, ("he", "ar-EG", "fa", "ur_PK", "yi")))
    assert not any(map(is_right_to_left, ("en", "hi", "az", "pa", "ar-Latn", "", "arm")))
