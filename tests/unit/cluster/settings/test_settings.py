"""Settings: where values come from, in which order, and what is refused."""

import warnings
from pathlib import Path

import pytest

from cluster.settings.settings import Settings, load_settings
from pipelines.errors import ConfigurationError


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text("http: {port: 9001, host: 127.0.0.2}\nlog: {level: error}\n")
    return path


def test_each_source_overrides_the_one_before(config: Path, tmp_path: Path) -> None:
    """Defaults, then YAML, then the environment, then flags; what a source leaves out stays."""
    env = {"MEETMEMO_HTTP__PORT": "9002", "MEETMEMO_HOME": str(tmp_path)}
    assert load_settings(env=env).http.host == "127.0.0.1"
    assert load_settings(config, env={}).http.port == 9001
    assert load_settings(config, env=env).http.port == 9002
    flagged = load_settings(config, env=env, flags={"http": {"port": 9003, "host": None}})
    assert (flagged.http.port, flagged.http.host, flagged.log.level) == (9003, "127.0.0.2", "error")


def test_dotenv_lies_below_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``.env`` in the working directory is read, and the real environment wins over it."""
    (tmp_path / ".env").write_text("# keys\nexport DEEPSEEK_API_KEY='from-file'\nMEETMEMO_HTTP__PORT=9004\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEETMEMO_HTTP__PORT", "9005")
    monkeypatch.delenv("DEEPSEEK_API_KEY", raising=False)
    settings = load_settings()
    assert settings.http.port == 9005
    assert settings.deepseek_api_key is not None
    assert settings.deepseek_api_key.get_secret_value() == "from-file"


def test_variables_of_the_command_line_are_no_settings(tmp_path: Path) -> None:
    """Variables that stand for ``--config`` and ``--url`` are no unknown settings to the commands that take them."""
    env = {"MEETMEMO_CONFIG": str(tmp_path / "config.yaml"), "MEETMEMO_URL": "http://meetmemo.test"}
    assert load_settings(env=env) == load_settings(env={})


def test_everything_lies_under_home(tmp_path: Path) -> None:
    """Ledger, store and models follow ``home`` unless they are named."""
    settings = load_settings(env={"MEETMEMO_HOME": str(tmp_path), "MEETMEMO_STORE_URL": "s3://bucket/x"})
    assert settings.ledger_url == f"sqlite:///{tmp_path / 'ledger.sqlite3'}"
    assert settings.models_dir == tmp_path / "models"
    assert settings.store_url == "s3://bucket/x"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"htpp": {"port": 1}}, "htpp"),
        ({"http": {"port": 99999}}, "http.port"),
        ({"models": ()}, "at least one model"),
        ({"models": ({"name": "a"}, {"name": "a"})}, "same name"),
        ({"default_model": "large-v3"}, "not among the models"),
        ({"models": ({"name": "a", "compute_typ": "int8"},)}, "compute_typ"),
    ],
)
def test_mistakes_are_named(flags: dict[str, object], words: str) -> None:
    """An unknown name, a value out of range or a contradiction is refused with the setting's name."""
    with pytest.raises(ConfigurationError, match=words):
        load_settings(env={}, flags=flags)


def test_secrets_do_not_come_from_yaml(tmp_path: Path) -> None:
    """A key in the settings file is refused: such files are shared and committed."""
    path = tmp_path / "config.yaml"
    path.write_text("deepseek_api_key: sk-123\n")
    with pytest.raises(ConfigurationError, match="secrets come from the environment"):
        load_settings(path, env={})


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [1\n"])
def test_a_file_that_holds_no_settings_is_refused(tmp_path: Path, text: str) -> None:
    """Broken YAML and YAML of another shape are refused with the file's name."""
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"config\.yaml"):
        load_settings(path, env={})


def test_settings_travel(tmp_path: Path) -> None:
    """What `model_dump` gives builds equal settings on another node, but for secrets, which do not travel so."""
    settings = load_settings(env={"MEETMEMO_HOME": str(tmp_path)})
    assert Settings.model_validate(settings.model_dump()) == settings


def test_the_shipped_configuration_is_the_default() -> None:
    """``configs/local.yaml`` spells out the defaults."""
    shipped = Path(__file__).parents[4] / "configs" / "local.yaml"
    assert load_settings(shipped, env={}) == load_settings(env={})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "transcripts.example"])
def test_an_open_endpoint_stays_on_this_machine(tmp_path, host):
    """Without authentication only this machine may reach it, unless that is forced."""
    env = {"MEETMEMO_HOME": str(tmp_path), "MEETMEMO_HTTP__HOST": host}
    with pytest.raises(ConfigurationError, match=r"auth\.mode"):
        load_settings(env=env)
    assert load_settings(env={**env, "MEETMEMO_AUTH__MODE": "keys"}).auth.mode == "keys"
    assert load_settings(env={**env, "MEETMEMO_AUTH__ALLOW_OFF_ANYWHERE": "true"}).auth.mode == "off"


def test_off_is_a_word_in_yaml(tmp_path):
    """YAML takes a bare off for false."""
    (tmp_path / "config.yaml").write_text("auth:\n  mode: off\n")
    assert load_settings(tmp_path / "config.yaml", env={"MEETMEMO_HOME": str(tmp_path)}).auth.mode == "off"


def test_limits_reach_the_endpoint(tmp_path):
    """What the file says of uploads and streams is what the endpoint takes, with a tenant's own in their place."""
    (tmp_path / "config.yaml").write_text(
        "limits:\n  max_concurrent_uploads: 9\n  max_event_streams: 8\n  min_upload_bytes_per_s: 77\n"
        "  max_tenant_uploads: 7\n  max_tenant_streams: 6\n  max_open_upload_mb: 5\n"
        "  callback_patience_s: 90\n"
        "  tenants: {acme: {max_tenant_streams: 2, max_open_upload_mb: 1}}\n"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray Serve warns about itself when it is imported
        from cluster.wiring.limits import ingestion_limits
    limits = ingestion_limits(load_settings(tmp_path / "config.yaml", env={"MEETMEMO_HOME": str(tmp_path)}))
    assert (limits.max_concurrent_uploads, limits.max_event_streams, limits.pace.min_bytes_per_s) == (9, 8, 77)
    assert limits.sources.callback_patience_s == 90
    other, acme = limits.of("other"), limits.of("acme")
    assert (other.max_concurrent_uploads, other.max_streams, other.max_open_upload_bytes) == (7, 6, 5 << 20)
    assert (acme.max_concurrent_uploads, acme.max_streams, acme.max_open_upload_bytes) == (7, 2, 1 << 20)


def test_a_tenant_has_limits_of_its_own(tmp_path):
    """What is not named for a tenant is everybody's."""
    (tmp_path / "config.yaml").write_text(
        "limits:\n  max_upload_mb: 100\n  requests_per_s: 5\n  tenants:\n    acme:\n      max_upload_mb: 10\n"
    )
    limits = load_settings(tmp_path / "config.yaml", env={"MEETMEMO_HOME": str(tmp_path)}).limits
    assert (limits.of("acme").max_upload_mb, limits.of("acme").requests_per_s) == (10, 5)
    assert limits.of("other").max_upload_mb == 100


def test_the_old_name_of_scale_to_zero_is_still_read() -> None:
    """``sleep_after_s`` of a file written for the version before means ``scale_to_zero_after_s``."""
    old = load_settings(env={}, flags={"models": ({"name": "a", "sleep_after_s": 30},)})
    new = load_settings(env={}, flags={"models": ({"name": "a", "scale_to_zero_after_s": 30},)})
    assert old == new
    assert new.models[0].scale_to_zero_after_s == 30
