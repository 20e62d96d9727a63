"""Which secrets sign, and which settings about webhooks and mail are refused."""

import pytest
from typer.testing import CliRunner

from cluster.cli.main import app
from cluster.settings.settings import load_settings
from cluster.wiring.notifications import build_notifications, can_sign, check_outgoing, mail_domains, webhook_secrets
from deployments.notifications.signing import new_secret, parse_secrets
from pipelines.errors import ConfigurationError

ONE, TWO, THREE = new_secret(), new_secret(), new_secret()


def settings_of(tmp_path, **env):
    return load_settings(env={"MEETMEMO_HOME": str(tmp_path), **env})


def test_secrets_come_from_environment_files_and_folders(tmp_path):
    """A tenant's own file goes before what is for all; files are read anew, so that secrets change without a stop."""
    assert webhook_secrets({}, "acme") == ()
    assert webhook_secrets({"WEBHOOK_SECRETS": f"{ONE} {TWO}"}, "acme") == parse_secrets(f"{ONE} {TWO}")
    (tmp_path / "all").write_text(f"{ONE}\n")
    folder = tmp_path / "tenants"
    folder.mkdir()
    (folder / "acme").write_text(f"{TWO}\n")
    env = {"WEBHOOK_SECRETS_FILE": str(tmp_path / "all"), "WEBHOOK_SECRETS_DIR": str(folder)}
    assert webhook_secrets(env, "acme") == parse_secrets(TWO)
    assert webhook_secrets(env, "other") == webhook_secrets(env, "../all") == parse_secrets(ONE)
    (folder / "acme").write_text(f"{THREE}\n{TWO}\n")
    assert webhook_secrets(env, "acme") == parse_secrets(f"{THREE} {TWO}")
    assert can_sign(env)
    assert not can_sign({})


@pytest.mark.parametrize(
    ("settings", "env", "complaint"),
    [
        ({"MEETMEMO_WEBHOOKS__URL": "https://hooks.example/"}, {}, "webhooks.url is set, but there is no secret"),
        ({"MEETMEMO_WEBHOOKS__URL": "http://hooks.example/"}, {"WEBHOOK_SECRETS": ONE}, "must begin with https"),
        (
            {"MEETMEMO_WEBHOOKS__TENANTS": "{acme: 'https://10.0.0.1/'}"},
            {"WEBHOOK_SECRETS": ONE},
            "acme points to",
        ),
        ({}, {"WEBHOOK_SECRETS": "whsec_short"}, "webhook secret 1 is not"),
    ],
)
def test_what_is_refused_at_the_start(tmp_path, settings, env, complaint):
    """A target that could not be told, or a damaged secret, ends `meetmemo up` at once."""
    with pytest.raises(ConfigurationError, match=complaint):
        check_outgoing(settings_of(tmp_path, **settings), env)


def test_every_file_of_secrets_is_read(tmp_path):
    """Also that of a tenant for whom no target is set; editors' marks of the byte order do no harm."""
    folder = tmp_path / "tenants"
    folder.mkdir()
    (folder / "acme").write_bytes(b"\xef\xbb\xbf" + f"{ONE}\r\n{TWO}\r\n".encode())
    (folder / "..data").mkdir()
    env = {"WEBHOOK_SECRETS_DIR": str(folder)}
    check_outgoing(settings_of(tmp_path), env)
    assert webhook_secrets(env, "acme") == parse_secrets(f"{ONE} {TWO}")
    (folder / "other").write_text(f"{ONE} {TWO[6:]}")
    with pytest.raises(ConfigurationError, match=r"tenants/other, the file of the tenant other: webhook secret 2 "):
        check_outgoing(settings_of(tmp_path), env)
    with pytest.raises(ConfigurationError, match="no folder"):
        check_outgoing(settings_of(tmp_path), {"WEBHOOK_SECRETS_DIR": str(tmp_path / "none")})


def test_settings_of_webhooks_and_mail(tmp_path):
    """Targets by tenant, the public URL in messages, and mail only to some domains."""
    settings = settings_of(
        tmp_path,
        MEETMEMO_HTTP__PUBLIC_URL="https://meetmemo.example/",
        MEETMEMO_WEBHOOKS__TENANTS="{acme: 'https://hooks.example/'}",
        MEETMEMO_EMAIL__HOST="mail.example",
        MEETMEMO_EMAIL__SENDER="a@b.example",
        MEETMEMO_EMAIL__DOMAINS="[Example.org]",
    )
    check_outgoing(settings, {"WEBHOOK_SECRETS": ONE})
    notifications = build_notifications(settings)
    assert (notifications.public_url, notifications.webhooks) == (
        "https://meetmemo.example",
        {"acme": "https://hooks.example/"},
    )
    assert mail_domains(settings) == frozenset({"example.org"})
    assert mail_domains(settings_of(tmp_path)) is None
    for wrong in ({"MEETMEMO_EMAIL__HOST": "mail.example"}, {"MEETMEMO_EMAIL__ATTACH": "[minutes.xls]"}):
        with pytest.raises(ConfigurationError):
            settings_of(tmp_path, **wrong)


def test_new_secret():
    """The command prints a secret that signs."""
    printed = CliRunner().invoke(app, ["webhooks", "new-secret"]).stdout
    assert len(parse_secrets(printed)) == 1
