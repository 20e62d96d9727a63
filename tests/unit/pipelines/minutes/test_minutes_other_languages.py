"""Extractive minutes of languages that no rule knows: what they are about, quoted as spoken, and no empty promises."""

import io
import json
from dataclasses import replace

import docx
import pypdf
import pytest

from deployments.notifications.email_text import EmailContent, compose
from pipelines.core import Minutes
from pipelines.errors import MinutesError
from pipelines.export.render import render
from pipelines.minutes.extractive.writer import write_minutes
from pipelines.minutes.language.registry import decisions_recognised
from pipelines.minutes.language.stopwords import MIXED, stop_words
from pipelines.minutes.language.terms import terms
from pipelines.minutes.language.wording import opening
from pipelines.minutes.protocol import MinutesOptions
from pipelines.text.languages import LANGUAGES
from tests.support.meetings import MEETINGS, meeting

SUBJECTS = {
    "ar": "محطة تحلية المياه",
    "de": "Lagerhaus",
    "es": "Biblioteca",
    "hi": "अस्पताल",
    "hu": "Felújítás",
    "ja": "倉庫",
    "ko": "공장",
    "nl": "Fietsenstalling",
    "ta": "பள்ளிக்கூடம்",
}
# fmt: off
MOST_SPOKEN = [
    "en", "zh", "hi", "es", "ar", "fr", "bn", "pt", "ru", "ur", "id", "de", "ja", "mr", "te", "tr", "ta", "yue",
    "vi", "tl", "ko", "fa", "ha", "sw", "jw", "it", "pa", "gu", "th", "kn", "pl", "uk", "ml", "nl", "ro", "ms",
]
# fmt: on


def minutes_of(language: str) -> Minutes:
    return write_minutes(meeting(language), MinutesOptions())


@pytest.mark.parametrize("language", sorted(SUBJECTS))
def test_titles_name_the_subject(language: str) -> None:
    """The title and the topics are words of the subject, written as in the transcript, and no function words."""
    written = minutes_of(language)
    stops = stop_words(language).words
    assert SUBJECTS[language].casefold() in written.title.casefold()
    for title in (written.title, *(topic.title for topic in written.topics)):
        phrases = title.replace("、", ", ").split(", ")
        assert not {word.casefold() for phrase in phrases for word in phrase.split()} & stops, title
        assert all(phrase.casefold() in meeting(language).text.casefold() for phrase in phrases)


def test_nouns_keep_their_capitals() -> None:
    """German ones, and letters that case changes."""
    assert minutes_of("de").title == "Lagerhaus, Baugenehmigung"
    streets = "Die Straße ist gesperrt.\nWarum ist die Straße gesperrt?\nDie Straße wird neu gebaut."
    assert write_minutes(meeting("de", streets), MinutesOptions()).title.startswith("Straße")


@pytest.mark.parametrize("language", ["cy", "th"])
def test_without_stop_words_a_title_is_an_opening(language: str) -> None:
    """Words that are said most would be function words: the first words of what was said stand there instead."""
    assert not stop_words(language).is_listed or language == "th"
    written = minutes_of(language)
    spoken = " ".join(meeting(language).text.split())
    for title in (written.title, *(topic.title for topic in written.topics)):
        assert title.removesuffix("…").casefold() in spoken.casefold()
        assert len(title) > 5


@pytest.mark.parametrize("language", sorted(MEETINGS))
def test_evidence_is_quoted_as_spoken(language: str) -> None:
    """Summary and evidence are the sentences themselves; the minutes are in their language."""
    transcript, written = meeting(language), minutes_of(language)
    assert written.language == language
    assert written.summary
    spoken = " ".join(transcript.text.split())
    assert all(" ".join(topic.evidence.quote.split()) in spoken for topic in written.topics)


def test_questions_end_with_their_own_mark() -> None:
    """An Arabic question mark ends a sentence, so does a danda."""
    asked = meeting("ar", "هل يوجد مشرف جديد للمشروع القادم؟ المشروع القادم كبير.\nسنرى ذلك لاحقا إن شاء الله.")
    written = write_minutes(asked, MinutesOptions())
    assert "المشروع القادم كبير." in written.summary or written.open_questions
    assert "।." not in minutes_of("hi").summary
    assert not minutes_of("th").summary.endswith(".")


@pytest.mark.parametrize("language", MOST_SPOKEN)
def test_the_most_spoken_languages_have_stop_words(language: str) -> None:
    """In lower case, one word each."""
    found = stop_words(language)
    assert found.is_listed
    assert len(found.words) > 25
    assert (found is MIXED) == (language in ("en", "zh", "yue"))


def test_stop_words_of_all_languages() -> None:
    """Each of Whisper's languages may be asked for."""
    listed = {language for language in LANGUAGES if stop_words(language).is_listed}
    assert {"sr", "bs", "nn"} <= listed
    assert len(listed) >= 60


def test_words_are_whole_where_marks_belong_to_letters() -> None:
    """A vowel sign, a diacritic or a joiner does not break a word; scripts without spaces count by pairs."""
    assert terms("अस्पताल में नई मशीनें", stop_words("hi")) == ["अस्पताल", "मशीनें"]
    assert terms("المِياه في می‌خواهم", stop_words("ar")) == ["المِياه", "می‌خواهم"]
    assert terms("データベースを会議で", stop_words("ja")) == ["データベース", "会議"]
    assert terms("예산 회의", stop_words("ko")) == ["예산", "회의"]
    assert terms("โรงงาน", stop_words("th"))
    assert terms("The decisions were made") == ["decision"]


def test_openings() -> None:
    """Seven words, 48 characters, no letter without its mark."""
    assert opening("One two three.") == "One two three"
    assert opening("one two three four five six seven eight nine") == "One two three four five six seven…"
    cut = opening("ก" * 47 + "ำ" + "ก่" * 10)
    assert cut.endswith("…")
    assert len(cut) <= 49


DOCUMENTS = ("minutes.md", "minutes.docx", "minutes.pdf")
NOBODY_LOOKED = "decisions and action items are recognised in English and Chinese only"


def text_of(name: str, written: Minutes, language: str) -> str:
    data = render(name, meeting(language), written, "call.wav")
    if name.endswith("docx"):
        return " ".join(p.text for p in docx.Document(io.BytesIO(data)).paragraphs)
    if name.endswith("pdf"):
        return " ".join(" ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages).split())
    return data.decode()


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("language", ["de", "es", "hu"])
def test_documents_say_once_that_nobody_looked(name: str, language: str) -> None:
    """No section says that no decisions were recognised where no rule could recognise one."""
    text = text_of(name, minutes_of(language), language)
    assert text.count(NOBODY_LOOKED) == 1
    assert "were recognised." not in text
    assert "Decisions" not in text
    assert "Action items" not in text


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_of_a_model_and_of_english_have_their_sections(name: str) -> None:
    """There somebody looked: nothing found is told."""
    german = replace(minutes_of("de"), writer="llm", model="m")
    english = write_minutes(meeting("en", "The budget is large.\nThe budget is spent."), MinutesOptions())
    for written, language in ((german, "de"), (english, "de")):
        text = text_of(name, written, language)
        assert "No decisions were recognised." in text
        assert NOBODY_LOOKED not in text


def test_programs_and_mails_are_told_too() -> None:
    """`minutes.json` has a field for it, the e-mail a sentence."""
    for language, looked in (("de", False), ("en", True)):
        written = minutes_of("de") if language == "de" else replace(minutes_of("de"), language="en")
        assert decisions_recognised(written) is looked
        data = json.loads(render("minutes.json", meeting("de"), written, "call.wav"))
        assert data["decisions_recognised"] is looked
        letter = EmailContent(title="Call", failed=False, detail="", minutes=data, attached=(), links={})
        _, text = compose(letter, language)
        assert (NOBODY_LOOKED in text, "No decisions were recognised." in text) == (not looked, looked)


def test_other_spellings_of_the_language_spoken() -> None:
    """A region or another code of it is no other language; a real other one is refused, as it cannot be translated."""
    assert write_minutes(meeting("de"), MinutesOptions(language="de-AT")).language == "de-AT"
    assert write_minutes(meeting("zh", "我们讨论预算。\n预算不够。"), MinutesOptions(language="yue")).language == "yue"
    with pytest.raises(MinutesError, match="need a language model"):
        write_minutes(meeting("de"), MinutesOptions(language="nl"))
