"""Three hours in six languages through the simulated server: each planted decision and task is found, none invented."""

import random
from collections import Counter

import pytest

from pipelines.core import ActionItem, Decision, Evidence, Minutes, Transcript
from pipelines.minutes.llm.merging import merge
from pipelines.minutes.protocol import MinutesOptions
from tests.fakes.deepseek_server import DeepSeekServer, FaultKind, ServerOptions
from tests.support.llm_lab import ALONE, LabOptions, connected, said
from tests.support.virtual_time import AsgiStream, run_in_virtual_time

N_LINES = 2160  # of five seconds: three hours
N_DECISIONS, N_TASKS = 6, 4  # of each language
# Two decisions of a pair differ in a word, a denial or a number.
DECIDED = {
    "en": ("We decided to close the {} office in the {} harbour.", ("north", "south", "old")),
    "zh": ("我们决定采购{}区的{}服务器。", ("北", "南", "东")),
    "es": ("Hemos decidido {} cerrar la oficina del puerto {}.", ("norte", "sur", "viejo")),
    "de": ("Wir haben beschlossen, das Büro im Hafen {} {} zu schließen.", ("Nord", "Süd", "Ost")),
    "fr": ("Nous avons décidé de fermer le bureau du port {} au quai {}.", ("nord", "sud", "est")),
    "ja": ("{}港の事務所を{}閉鎖することに決めました。", ("北", "南", "東")),
}
VARIANTS = {
    "en": ("bright", "quiet"), "zh": ("新", "旧"), "es": ("no", "pronto"), "de": ("nicht", "bald"),
    "fr": ("12", "15"), "ja": ("早く", "後で"),
}  # fmt: skip
TASKS = {
    "en": "{} will prepare the {} report.",
    "zh": "由{}负责准备{}报告。",
    "es": "{} se encargará de preparar el informe {}.",
    "de": "{} übernimmt den Bericht {}.",
    "fr": "{} se chargera de préparer le rapport {}.",
    "ja": "{}さんが{}の報告書を準備します。",
}
OWNERS = {
    "en": ("Alice", "Bob"), "zh": ("张三", "李四"), "es": ("Lucía", "Íñigo"), "de": ("Jürgen", "Käthe"),
    "fr": ("Hélène", "Benoît"), "ja": ("田中", "佐藤"),
}  # fmt: skip
SUBJECTS = {
    "en": ("budget", "contract"), "zh": ("预算", "合同"), "es": ("anual", "mensual"), "de": ("A", "B"),
    "fr": ("annuel", "mensuel"), "ja": ("予算", "契約"),
}  # fmt: skip
TALK = (
    "The talk goes on about the weather and the room.",
    "大家继续谈天气和会议室。",
    "Seguimos hablando del tiempo y de la sala.",
    "Wir sprechen weiter über das Wetter und den Raum.",
    "On continue de parler du temps et de la salle.",
    "天気と部屋の話が続きます。",
)


def planted() -> list[str]:
    """Thirty-six decisions and twenty-four tasks."""
    lines = []
    for language, (form, places) in DECIDED.items():
        first, second = VARIANTS[language]
        pairs = [(place, variant) for place in places for variant in (first, second)]
        for place, variant in pairs:
            in_order = {"en": (variant, place), "es": (variant, place)}.get(language, (place, variant))
            lines.append(form.format(*in_order))
        lines += [
            TASKS[language].format(owner, subject) for owner in OWNERS[language] for subject in SUBJECTS[language]
        ]
    return lines


def three_hours() -> tuple[Transcript, list[str]]:
    """Return the meeting, and what is planted in it: in random places, every sixth of it said a second time."""
    rng = random.Random(25)
    lines = [f"{TALK[number % len(TALK)]} ({number})" for number in range(N_LINES)]
    said_once = planted()
    both = said_once + said_once[::6]
    for place, line in zip(sorted(rng.sample(range(N_LINES), len(both))), rng.sample(both, len(both)), strict=True):
        lines[place] = line
    people = [name for names in OWNERS.values() for name in names]
    return said(*lines, speakers=people), said_once


def written(transcript: Transcript, faults: dict[FaultKind, float]) -> tuple[Minutes, int]:
    """Write the minutes in virtual time; returns them and the number of calls."""
    server = DeepSeekServer(ServerOptions(faults=faults, seed=3))
    options = LabOptions(packs=ALONE, piece_tokens=6_000)

    async def program() -> Minutes:
        async with connected(server, "http://provider", options, AsgiStream(server)) as lab:
            return await lab.writer.write(transcript, MinutesOptions())

    minutes, _ = run_in_virtual_time(program())
    return minutes, server.tally.calls


@pytest.mark.parametrize(
    "faults",
    [{}, {"invented_quote": 0.2, "invented_owner": 0.2, "503": 0.1, "cut": 0.1}],
    ids=["a good day", "a bad day"],
)
def test_sixty_planted_entries_are_found_and_none_is_invented(faults: dict[FaultKind, float]) -> None:
    """The joined minutes hold each once, with its owner; what the model lied about twice is marked."""
    transcript, planted_lines = three_hours()
    assert transcript.duration_s == 3 * 3600
    minutes, n_calls = written(transcript, faults)
    assert n_calls > 5  # in pieces
    entries: list[Decision | ActionItem] = [*minutes.decisions, *minutes.action_items]
    quotes = Counter(entry.evidence.quote for entry in entries)
    assert sorted(quotes) == sorted(planted_lines)
    assert len(planted_lines) == 60
    assert set(quotes.values()) == {1}
    doubtful = [entry for entry in entries if not entry.verified]
    assert len(doubtful) <= (3 if faults else 0)
    for item in minutes.action_items:
        assert (item.owner or "nobody") in item.evidence.quote or item in doubtful


def part(*texts: str) -> Minutes:
    return Minutes(
        title="",
        language="en",
        writer="llm",
        model="m",
        summary="",
        decisions=tuple(
            Decision(text=text, evidence=Evidence(segment_ids=(n,), quote=text)) for n, text in enumerate(texts)
        ),
    )


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (
            "Approve the plan for the north harbour of the whole city",
            "Approve the plan for the south harbour of the whole city",
            False,
        ),
        (
            "Close the harbour office of the whole city for good",
            "Do not close the harbour office of the whole city for good",
            False,
        ),
        (
            "Cerrar la oficina del puerto viejo de la ciudad",
            "No cerrar la oficina del puerto viejo de la ciudad",
            False,
        ),
        ("北港の事務所を閉鎖する", "北港の事務所を閉鎖しない", False),
        ("Pay 500 dollars to the harbour", "Pay 600 dollars to the harbour", False),
        ("Close the harbour office", "Close the harbour office.", True),
        ("Close the harbour office", "Close the old harbour office", True),
        ("Paint the room in blue", "Paint the room blue", True),
    ],
)
def test_what_two_parts_say_is_one_only_when_it_is_the_same(one: str, other: str, same: bool) -> None:
    """A decision that differs in one word is not lost when the minutes of two parts are joined."""
    assert len(merge([part(one), part(other)]).decisions) == (1 if same else 2)
