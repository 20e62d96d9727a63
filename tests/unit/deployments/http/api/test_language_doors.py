"""Languages by one rule at every door: requests, uploads, batches, buckets, folders, recorders, the command line."""

import sys

import pytest

from cluster.cli import main as command_line
from cluster.client.http import Client
from tests.support.option_doors import AUDIO, DOORS, Refused, doors, flags, openai, opened


@pytest.fixture
async def api(make_api):
    return await opened(make_api)


@doors
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"language": "English"}, ("en", (), None)),
        ({"language": " en_GB "}, ("en", (), None)),
        ({"language": "zh-TW"}, ("zh", (), "traditional")),
        ({"language": "简体中文"}, ("zh", (), "simplified")),
        ({"language": "auto"}, (None, (), None)),
        ({"language": ""}, (None, (), None)),
        ({"language": None}, (None, (), None)),
        ({"languages": ["English", "zh-Hant"]}, (None, ("en", "zh"), "traditional")),
        ({"languages": "Deutsch, eng"}, (None, ("de", "en"), None)),
        ({"languages": ["jpn"]}, ("ja", (), None)),
        ({"languages": None}, (None, (), None)),
        ({"language": "EN", "languages": "en,de"}, ("en", (), None)),
        ({"language": "zh-TW", "zh_script": "simplified"}, ("zh", (), "simplified")),
    ],
    ids=str,
)
async def test_every_door_reads_languages_alike(door, given, expected, api, tmp_path, monkeypatch):
    """A language, those that may be detected, and how Chinese is written."""
    options = await door(api, given, tmp_path=tmp_path, monkeypatch=monkeypatch)
    assert (options.language, options.languages, options.zh_script) == expected


@doors
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"language": "Englsh"}, "'Englsh' is no language that can be transcribed; nearest: English (en), "),
        ({"language": "tlh"}, "'tlh' is no language that can be transcribed; nearest: "),
        ({"languages": "en,Germn"}, "'Germn' is no language that can be transcribed; nearest: German (de), "),
        ({"language": "en", "languages": ["fr", "de"]}, "language is en, which is not among languages (fr, de)"),
    ],
    ids=str,
)
async def test_every_door_refuses_alike(door, given, words, api, tmp_path, monkeypatch):
    """In the same words, which name what is near; no job comes of it."""
    with pytest.raises(Refused) as caught:
        await door(api, given, tmp_path=tmp_path, monkeypatch=monkeypatch)
    assert words in str(caught.value)
    assert api.ledger.list(None).jobs == ()


@pytest.mark.parametrize("door", [door for door in DOORS if door is not openai], ids=lambda door: door.__name__)
async def test_languages_of_minutes(door, api, tmp_path, monkeypatch):
    """A tag or a name; without a language model it must be one that can be spoken."""

    async def asked(text, **more):
        folder = tmp_path / text
        folder.mkdir()
        options = await door(api, {"minutes_language": text, **more}, tmp_path=folder, monkeypatch=monkeypatch)
        return options.minutes_language

    if door is flags:  # what the server has is not known there
        assert await asked("Traditional Chinese") == "zh-Hant"
        return
    with pytest.raises(Refused, match="'xx' is no language; nearest: "):
        await asked("xx")
    with pytest.raises(Refused, match=r"minutes in ga need a language model: without one they are in the language of"):
        await asked("Irish")
    with pytest.raises(Refused, match=r"minutes in de need a language model: .* of the transcript \(en\)"):
        await asked("de", language="en")
    assert await asked("zh-TW", language="zh") == "zh-TW"


@pytest.mark.parametrize(
    "arguments",
    [
        ["transcribe", "a.wav", "--language", "klingon"],
        ["transcribe", "a.wav", "--languages", "en,klingon"],
        ["watch", ".", "--language", "klingon"],
        ["watch", ".", "--option", "language=klingon"],
        ["batch", "submit", ".", "-o", "languages=klingon"],
        ["minutes", "rewrite", "0" * 32, "--language", "xx"],
    ],
    ids=" ".join,
)
def test_commands_refuse_before_anything_is_sent(arguments, tmp_path, monkeypatch, capsys):
    """Exit code 2, in the same words; no cluster is asked or started."""
    (tmp_path / "a.wav").write_bytes(AUDIO)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["meetmemo", *arguments])
    monkeypatch.setattr(Client, "__init__", lambda *_: pytest.fail("a cluster is asked"))
    with pytest.raises(SystemExit) as left:
        command_line.main()
    assert left.value.code == 2
    assert "is no language" in capsys.readouterr().err
