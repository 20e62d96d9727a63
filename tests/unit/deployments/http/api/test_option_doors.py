"""Values of options by one rule at every door: what is empty, lists, decimals, truth."""

import pytest

from tests.support.option_doors import DOORS, Refused, doors, flags, openai, opened

own_doors = pytest.mark.parametrize("door", [door for door in DOORS if door is not openai], ids=lambda d: d.__name__)


@pytest.fixture
async def api(make_api):
    return await opened(make_api)


@doors
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Etcd, Ray", ("Etcd", "Ray")),
        ('["Etcd","Ray"]', ("Etcd", "Ray")),
        ("['Etcd', 'Ray']", ("Etcd", "Ray")),
        (["Etcd", "", " Ray "], ("Etcd", "Ray")),
        ("[]", ()),
        (" ", ()),
    ],
    ids=str,
)
async def test_lists(door, given, expected, api, tmp_path, monkeypatch):
    """As a list, with commas, as JSON or as Python writes it; parts that are empty are left out."""
    options = await door(api, {"vocabulary": given}, tmp_path=tmp_path, monkeypatch=monkeypatch)
    assert options.vocabulary == expected


@doors
@pytest.mark.parametrize(("given", "expected"), [("0,2", 0.2), (" ", 0.0)], ids=str)
async def test_decimals(door, given, expected, api, tmp_path, monkeypatch):
    """With a comma or a point."""
    options = await door(api, {"temperature": given}, tmp_path=tmp_path, monkeypatch=monkeypatch)
    assert options.temperature == expected


@own_doors
@pytest.mark.parametrize("empty", ["", None], ids=repr)
async def test_empty_values_are_left_out(door, empty, api, tmp_path, monkeypatch):
    """Of every kind: number, choice, truth, URL, day, list."""
    names = ("priority", "minutes", "keep_audio", "webhook_url", "recording_date", "recipients", "channels", "model")
    given = {name: empty for name in names if not (door is flags and name == "keep_audio")}  # that flag has no value
    options = await door(api, given, tmp_path=tmp_path, monkeypatch=monkeypatch)
    assert (options.priority, options.minutes, options.keep_audio, options.webhook_url) == (0, "auto", False, None)
    assert (options.recording_date, options.recipients, options.channels, options.model) == (None, (), "mix", "mini-en")


@own_doors
async def test_truth(door, api, tmp_path, monkeypatch):
    """In the usual words, with white space around them."""
    options = await door(
        api, {"minutes_title": " T ", "channels": " split "}, tmp_path=tmp_path, monkeypatch=monkeypatch
    )
    assert (options.minutes_title, options.channels) == ("T", "split")


@own_doors
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"beam_size": "many"}, "beam_size: must be a whole number"),
        ({"priority": "1,5"}, "priority: must be a whole number"),
        ({"channels": "both"}, "channels: must be mix or split"),
        ({"mask": "email,face"}, "must be email, phones, cards, numbers, names, places or profanity"),
    ],
    ids=str,
)
async def test_every_door_refuses_in_words(door, given, words, api, tmp_path, monkeypatch):
    """The option by its name, and the right form; nothing of the machinery's own words."""
    with pytest.raises(Refused) as caught:
        await door(api, given, tmp_path=tmp_path, monkeypatch=monkeypatch)
    said = str(caught.value)
    assert words in said
    assert not any(word in said for word in ("Value error", "Input should", "pattern", "regular expression"))
    assert api.ledger.list(None).jobs == ()


@pytest.mark.parametrize("field", ["vocabulary[]", "vocabulary[0]", "timestamp_granularities[0]"])
async def test_lists_with_brackets(field, api):
    """Some clients write brackets behind the names of lists."""
    values = {"response_format": "verbose_json", "model": "whisper-1", field: "['word']"}
    sent = {"files": {"file": ("a.wav", b"RIFF" + bytes(900))}, "data": {**values, "beam_size": "2"}}
    answer = await api.client.post("/v1/audio/transcriptions", **sent)
    assert answer.json()["error"]["message"] == "beam_size: there is no such option"


async def test_nulls_around_options(api):
    """In a JSON body and in a batch's line what is null or empty is left out as well."""
    body = {"source": "https://files.example/a.wav", "upload": None, "filename": "", "options": None, "metadata": ""}
    assert (await api.client.post("/v1/jobs", json=body)).status_code == 202
