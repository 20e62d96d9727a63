"""Clusters to attack: a laptop's default start, one machine that asks for keys, several hosts."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, CursorResult, create_engine, inspect

from pipelines.storage.open import open_store
from tests.attack.target import Target
from tests.chaos.processes import kill_sessions
from tests.hosts.fleet import Fleet
from tests.servers import free_port

START_TIMEOUT_S = 420.0  # a machine that is busy with other things
STOP_TIMEOUT_S = 90.0
PLACE = "s3://recordings/acme"


@contextmanager
def laptop() -> Iterator[Target]:
    """What ``meetmemo up`` starts with no settings but a home and a port."""
    with _one_machine({}) as target:
        yield target


@contextmanager
def with_keys() -> Iterator[Target]:
    """One machine that asks for API keys and pulls from a bucket with credentials; two tenants."""
    place = {"name": "bucket", "url": PLACE, "secret": "BUCKET_SECRET", "endpoint": "http://127.0.0.1:9"}
    more = {
        "MEETMEMO_AUTH__MODE": "keys",
        "MEETMEMO_SOURCES": json.dumps([place]),
        "BUCKET_SECRET": "key:not-a-real-one",
    }
    with _one_machine(more, place=PLACE) as target:
        yield target


@contextmanager
def hosts() -> Iterator[Target]:
    """A head and two workers with addresses of their own, PostgreSQL, a bucket and Redis, asking for API keys."""
    with pytest.MonkeyPatch.context() as patched, Fleet(more={"MEETMEMO_AUTH__MODE": "keys"}) as fleet:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):  # of the bucket, for this process
            patched.setenv(name, "test")
        environment = {**os.environ, "MEETMEMO_LEDGER_URL": fleet.ledger_url}
        home = fleet.head.disk
        yield Target(
            name="a head and two worker hosts, API keys",
            url=fleet.head.url,
            home=home,
            sessions=frozenset(pid for machine in fleet.machines for pid in machine.sessions),
            environment=environment,
            key=make_key("acme", home, environment),
            other_key=make_key("other", home, environment),
            one_host=False,
            traces_of=lambda text: [*_rows_with(fleet.ledger_url, text), *_objects_with(fleet.store_url, text)],
        )


def _rows_with(ledger_url: str, text: str) -> list[str]:
    """Tables of a database that have a row with a text."""
    engine = create_engine(ledger_url)
    try:
        with engine.connect() as connection:
            names = inspect(connection).get_table_names()
            return [name for name in names if any(text in str(tuple(row)) for row in _all_rows(connection, name))]
    finally:
        engine.dispose()


def _all_rows(connection: Connection, table: str) -> CursorResult[Any]:
    return connection.exec_driver_sql(f'SELECT * FROM "{table}"')


def _objects_with(store_url: str, text: str) -> list[str]:
    """Keys of a blob store that have a text in their names or bytes."""
    store = open_store(store_url)
    return [key for key in store.list("") if text in key or text.encode() in store.get(key)]


SETUPS: dict[str, Callable[[], AbstractContextManager[Target]]] = {
    "laptop": laptop,
    "keys": with_keys,
    "hosts": hosts,
}


@contextmanager
def _one_machine(more: dict[str, str], *, place: str = "") -> Iterator[Target]:
    folder = Path(tempfile.mkdtemp(prefix="attack-"))
    folder.chmod(0o755)  # as a user's home is on many machines: what MeetMemo makes in it must close itself
    home = folder / "home"
    port = free_port()
    environment = {**os.environ, "MEETMEMO_HOME": str(home), "MEETMEMO_HTTP__PORT": str(port), **more}
    keys = {}
    if more.get("MEETMEMO_AUTH__MODE") == "keys":
        keys = {"key": make_key("acme", home, environment), "other_key": make_key("other", home, environment)}
    log_path = folder / "up.log"
    with log_path.open("wb") as log:
        up = subprocess.Popen(
            [sys.executable, "-m", "cluster.cli", "up"],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _await_ready(url, up, log_path)
        yield Target(
            name="one machine, API keys" if keys else "one machine, default settings",
            url=url,
            home=home,
            sessions=frozenset({up.pid}),
            environment=environment,
            place=place,
            **keys,
        )
    finally:
        up.terminate()
        try:
            up.wait(timeout=STOP_TIMEOUT_S)
        finally:
            kill_sessions({up.pid})
            up.wait(timeout=STOP_TIMEOUT_S)
            shutil.rmtree(folder, ignore_errors=True)


def _await_ready(url: str, up: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s and up.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=5).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
    raise RuntimeError(f"meetmemo up did not get ready:\n{tail}")


def make_key(tenant: str, home: Path, environment: dict[str, str]) -> str:
    """Make an API key for a tenant's jobs; return it."""
    command = [
        sys.executable,
        "-m",
        "cluster.cli",
        "keys",
        "create",
        "--tenant",
        tenant,
        "--json",
        "--home",
        str(home),
    ]
    made = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return str(json.loads(made.stdout)["key"])
