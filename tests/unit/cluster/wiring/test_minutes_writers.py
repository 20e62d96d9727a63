"""Which writers of minutes there are, by settings and key, and where the key goes: nowhere."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from cluster.settings.secrets import read_key
from cluster.settings.settings import Settings, load_settings
from cluster.wiring.minutes_writers import build_writers, endpoint_of
from pipelines.errors import ConfigurationError
from pipelines.minutes.extractive.writer import ExtractiveWriter
from pipelines.minutes.llm.writer import LlmWriter
from pipelines.minutes.provider.endpoints import JsonMode
from pipelines.translation.translator import LlmTranslator
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore

KEY = "sk-quite-secret"


def settings(tmp_path: Path, **env: str) -> Settings:
    return load_settings(env={"MEETMEMO_HOME": str(tmp_path), **env})


async def test_without_a_key(tmp_path: Path) -> None:
    """Rules write all minutes, and there is no language model to ask for."""
    chosen = settings(tmp_path)
    configured = build_writers(chosen, None, MemoryStore(), MemoryLedger())
    writers = configured.by_name
    assert configured.translator is None
    assert set(writers) == {"auto", "extractive"}
    assert isinstance(writers["auto"], ExtractiveWriter)
    assert not chosen.llm_configured


@pytest.mark.parametrize(
    ("writer", "kind"), [("auto", LlmWriter), ("llm", LlmWriter), ("extractive", ExtractiveWriter)]
)
async def test_with_a_key(tmp_path: Path, writer: str, kind: type) -> None:
    """The language model writes what jobs leave open, unless the operator prefers rules; a job may ask for either."""
    chosen = settings(tmp_path, DEEPSEEK_API_KEY=KEY, MEETMEMO_MINUTES__WRITER=writer)
    configured = build_writers(chosen, KEY, MemoryStore(), MemoryLedger())
    writers = configured.by_name
    assert isinstance(configured.translator, LlmTranslator)
    assert isinstance(writers["auto"], kind)
    assert isinstance(writers["llm"], LlmWriter)
    assert isinstance(writers["extractive"], ExtractiveWriter)


async def test_a_server_of_ones_own_needs_no_key(tmp_path: Path) -> None:
    """Another server is a language model without a key; its context is taken to be small, its JSON mode is probed."""
    chosen = settings(tmp_path, MEETMEMO_MINUTES__BASE_URL="http://gpu:8000/v1", MEETMEMO_MINUTES__MODEL="llama3")
    assert isinstance(build_writers(chosen, None, MemoryStore(), MemoryLedger()).by_name["auto"], LlmWriter)
    endpoint = endpoint_of(chosen)
    assert (endpoint.deepseek, endpoint.json_mode, endpoint.context_tokens) == (False, None, 32_768)
    assert endpoint.max_output_tokens <= 32_768 // 4


async def test_a_machine_without_the_key(tmp_path: Path) -> None:
    """A replica on a machine that lacks the key writes by rules, and says so in the log."""
    chosen = settings(tmp_path, DEEPSEEK_API_KEY=KEY)
    with capture_logs() as logs:
        writers = build_writers(chosen, None, MemoryStore(), MemoryLedger()).by_name
    assert isinstance(writers["auto"], ExtractiveWriter)
    assert [entry["action"] for entry in logs] == ["llm_key"]


async def test_a_retired_model(tmp_path: Path) -> None:
    """A retired name still works, as what it was, with a warning."""
    chosen = settings(tmp_path, DEEPSEEK_API_KEY=KEY, MEETMEMO_MINUTES__MODEL="deepseek-reasoner")
    with capture_logs() as logs:
        endpoint = endpoint_of(chosen)
    assert (endpoint.model, endpoint.thinking, endpoint.json_mode) == ("deepseek-flash", True, JsonMode.OBJECT)
    assert "retired" in logs[0]["detail"]


def test_the_key_is_not_shown(tmp_path: Path) -> None:
    """Neither what is printed, nor what travels to the replicas, nor any text of the settings holds the key."""
    chosen = settings(tmp_path, DEEPSEEK_API_KEY=KEY)
    assert KEY not in f"{chosen!r} {chosen.model_dump()} {chosen.model_dump_json()}"
    assert Settings.model_validate(chosen.model_dump()).llm_configured


def test_the_key_from_a_file(tmp_path: Path) -> None:
    """A mounted secret is read, the variable itself wins, and a file that is not there is an error with its name."""
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n")
    assert read_key({"DEEPSEEK_API_KEY_FILE": str(path)}) == KEY
    assert read_key({"DEEPSEEK_API_KEY_FILE": str(path), "DEEPSEEK_API_KEY": "other"}) == "other"
    assert settings(tmp_path, DEEPSEEK_API_KEY_FILE=str(path)).llm_configured
    with pytest.raises(ConfigurationError, match="missing"):
        read_key({"DEEPSEEK_API_KEY_FILE": str(tmp_path / "missing")})


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"MEETMEMO_MINUTES__WRITER": "llm"}, "DEEPSEEK_API_KEY"),
        ({"MEETMEMO_MINUTES__BASE_URL": "api.deepseek.com"}, "base_url"),
        ({"MEETMEMO_MINUTES__BASE_URL": "https://user:pw@host/"}, "base_url"),
        ({"MEETMEMO_MINUTES__CONCURRENCY": "0"}, "concurrency"),
    ],
)
def test_mistakes(tmp_path: Path, env: dict[str, str], words: str) -> None:
    """A writer without a key, a URL that is none or holds a password, and a limit of none are refused by name."""
    with pytest.raises(ConfigurationError, match=words):
        settings(tmp_path, **env)


async def test_no_room(tmp_path: Path) -> None:
    """A context that leaves no room for a transcript is refused when the writer is built."""
    chosen = settings(tmp_path, DEEPSEEK_API_KEY=KEY, MEETMEMO_MINUTES__CONTEXT_TOKENS="1500")
    with pytest.raises(ConfigurationError, match="no room"):
        build_writers(chosen, KEY, MemoryStore(), MemoryLedger())
