"""Ray's configuration of HAProxy, as the version that is installed writes it, and what is left of it when it starts."""

import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from cluster.lifecycle import haproxy_launcher
from cluster.lifecycle.haproxy import BINARY, SOCKET, proxy_environment, remove_proxy_files
from cluster.lifecycle.haproxy_launcher import ANSWERS, METHODS, UNKNOWN_METHOD, find_haproxy, restricted
from cluster.settings.settings import Settings
from deployments.http.errors.problems import problem_for
from pipelines.errors import ConfigurationError, Reason
from tests.servers import free_port

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray uses pydantic in ways that it deprecates
    from ray.serve._private.common import RequestProtocol
    from ray.serve._private.haproxy import BackendConfig, HAProxyApi, HAProxyConfig, ServerConfig
    from ray.serve.config import HTTPOptions

ENDPOINT, BEHIND = 28000, 28001


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("p")


@pytest.fixture
def config(folder: Path) -> Path:
    """The file that Ray writes for an application with a replica and the stand-in behind it."""
    server = ServerConfig(name="replica", host="127.0.0.1", port=BEHIND)
    backend = BackendConfig(
        name="http-meetmemo",
        path_prefix="/",
        app_name="meetmemo",
        servers=[server],
        fallback_server=ServerConfig(name="stand-in", host="127.0.0.1", port=BEHIND + 1),
        protocol=RequestProtocol.HTTP,
    )
    api = HAProxyApi(
        cfg=HAProxyConfig(
            http_options=HTTPOptions(host="127.0.0.1", port=ENDPOINT),
            socket_path=str(folder / "admin.sock"),
            metrics_socket_path=str(folder / "metrics.sock"),
            server_state_base=str(folder),
            server_state_file=str(folder / "server-state"),
        ),
        backend_configs={backend.name: backend},
        config_file_path=str(folder / "haproxy.cfg"),
    )
    api._generate_config_file_internal()
    (folder / "server-state").touch()
    return folder / "haproxy.cfg"


def binds(text: str) -> list[str]:
    return [line.split()[1] for line in text.splitlines() if line.split()[:1] == ["bind"]]


def test_only_the_endpoint_listens(config: Path) -> None:
    """Of three listeners, two of them on all addresses, the endpoint's is left; the control socket is private."""
    before = config.read_text()
    assert len(binds(before)) == 3
    assert "mode 666" in before
    after = restricted(before)
    assert binds(after) == [f"127.0.0.1:{ENDPOINT}"]
    assert "mode 600 level admin" in after
    assert "mode 666" not in after
    removed = {"frontend prometheus", "listen stats"}
    assert set(before.splitlines()) - set(after.splitlines()) >= removed
    sections = [line for line in before.splitlines() if line[:1].isalpha() and line not in removed]
    assert [line for line in after.splitlines() if line[:1].isalpha()] == sections
    assert restricted(after) == after


@pytest.mark.parametrize(
    ("host", "bound"),
    [
        ("0.0.0.0", f"*:{ENDPOINT}"),
        ("192.0.2.7", f"192.0.2.7:{ENDPOINT}"),
        ("localhost", f"localhost:{ENDPOINT}"),
        ("::1", f"[::1]:{ENDPOINT}"),
    ],
)
def test_the_endpoint_listens_where_it_should(config: Path, host: str, bound: str) -> None:
    """Also where the servers behind it, whose address Ray writes there, do not."""
    assert binds(restricted(config.read_text(), host)) == [bound]


def test_haproxy_takes_what_is_left(config: Path, folder: Path) -> None:
    """The program that is started rewrites the file and becomes HAProxy, which finds nothing to complain about."""
    settings = Settings(home=folder / "home")
    settings.run_dir.mkdir(parents=True)
    sockets = folder / "sockets"
    sockets.mkdir()
    env = proxy_environment(settings, sockets, {})
    done = subprocess.run([env[BINARY], "-c", "-f", str(config), "-dR"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "ALERT" not in done.stderr
    assert binds(config.read_text()) == [f"{settings.http.host}:{ENDPOINT}"]
    assert config.stat().st_mode & 0o777 == 0o600


@contextmanager
def running(config: Path, behind: int | None = None) -> Iterator[httpx.Client]:
    """Run HAProxy with what is left of a configuration; ``behind`` is the port of a replica, None where there is none.

    Yields a client of the endpoint.
    """
    text = restricted(config.read_text())
    ports = {ENDPOINT: free_port(), BEHIND: behind or free_port(), BEHIND + 1: free_port()}
    for port, free in ports.items():
        text = text.replace(f":{port}", f":{free}")
    config.write_text(text)
    haproxy = subprocess.Popen([find_haproxy(), "-db", "-f", str(config)], stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{ports[ENDPOINT]}", timeout=30) as client:
            deadline_s = time.monotonic() + 30
            while True:
                try:
                    client.get("/-/healthz")
                    break
                except httpx.ConnectError:
                    assert time.monotonic() < deadline_s
            yield client
    finally:
        haproxy.terminate()
        haproxy.wait(30)


def test_its_own_answers_are_those_of_the_api(config: Path) -> None:
    """Where no replica answers, HAProxy does as the API would: problem+json with an enumerated reason."""
    with running(config) as client:
        answer = client.get("/v1/jobs")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert answer.headers["retry-after"] == "5"
    expected = problem_for(Reason.REPLICA_LOST, ANSWERS[503][1]).model_dump(mode="json")
    assert answer.json() == {**expected, "instance": "urn:meetmemo:proxy"}
    assert {reason for reason, _ in ANSWERS.values()} | {UNKNOWN_METHOD[0]} <= set(Reason)


class _Twice(BaseHTTPRequestHandler):
    """A replica as Ray's: it answers every method, with an id of the application's and one of its own."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        self.send_response(200)
        for request_id in (self.headers.get("X-Request-ID", "ours"), "rays"):
            self.send_header("X-Request-ID", request_id)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


def test_words_that_are_no_methods_do_not_pass(config: Path) -> None:
    """They are refused before anything counts them by name; methods pass, and their answers have one id."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Twice) as replica:
        threading.Thread(target=replica.serve_forever, daemon=True).start()
        with running(config, behind=replica.server_port) as client:
            for method in ("FOO", "M1", "TRACE", "PROPFIND"):
                refused = client.request(method, "/v1/jobs")
                assert (refused.status_code, refused.json()["reason"]) == (501, "method_not_allowed"), method
                assert refused.headers["content-type"] == "application/problem+json"
            for method in METHODS:
                answer = client.request(method, "/v1/jobs")
                assert (answer.status_code, answer.headers.get_list("x-request-id")) == (200, ["ours"]), method
        replica.shutdown()


def test_a_configuration_of_another_form_does_not_start(tmp_path: Path) -> None:
    """Without the frontend that is known, nobody knows who listens where."""
    (tmp_path / "haproxy.cfg").write_text("frontend web\n    bind *:80\n")
    for arguments in (["-f", str(tmp_path / "haproxy.cfg")], ["-f", str(tmp_path / "nothing")], []):
        command = [sys.executable, "-I", haproxy_launcher.__file__, find_haproxy(), "127.0.0.1", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "HAProxy cannot be started" in done.stderr


def test_files_of_haproxy_lie_in_closed_folders(folder: Path) -> None:
    """Nothing is where Ray puts it; what an earlier start left is gone; an HAProxy of the operator's own is kept."""
    settings = Settings(home=folder / "home")
    (settings.run_dir / "haproxy" / "node").mkdir(parents=True)
    sockets = folder / "sockets"
    sockets.mkdir()
    env = proxy_environment(settings, sockets, {BINARY: "/opt/haproxy"})
    assert not (settings.run_dir / "haproxy" / "node").exists()
    launcher = Path(env[BINARY])
    assert "/opt/haproxy 127.0.0.1" in launcher.read_text()
    for name, value in env.items():
        home = sockets if "SOCKET" in name else settings.run_dir
        assert Path(value).is_relative_to(home), name
    for path in (launcher, launcher.parent, Path(env[SOCKET]).parent):
        assert path.stat().st_mode & 0o777 == 0o700
    again = proxy_environment(settings, sockets, env)
    assert find_haproxy() in Path(again[BINARY]).read_text()


def test_no_haproxy_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Ray tries to start it again and again."""
    settings = Settings(home=folder / "home")
    settings.run_dir.mkdir(parents=True)
    monkeypatch.setattr(haproxy_launcher, "find_haproxy", lambda: "")
    with pytest.raises(ConfigurationError, match=r"http\.haproxy"):
        proxy_environment(settings, folder, {})


def test_a_disk_that_runs_no_programs_is_done_without(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of the sockets takes the program then; if it runs none either, that is said."""
    settings = Settings(home=folder / "home")
    settings.run_dir.mkdir(parents=True)
    monkeypatch.setattr("os.access", lambda path, mode: not Path(path).is_relative_to(settings.home))
    assert Path(proxy_environment(settings, folder, {})[BINARY]).parent == folder / "proxy"
    monkeypatch.setattr("os.access", lambda path, mode: str(path).endswith("bin/haproxy"))
    with pytest.raises(ConfigurationError, match="No program may run"):
        proxy_environment(settings, folder, {})


def test_a_node_names_the_command(config: Path) -> None:
    """On a node that was started without MeetMemo the endpoint listens where Ray wrote, and nothing else does."""
    command = "from cluster.lifecycle.haproxy_launcher import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", command, "-c", "-f", str(config)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert binds(config.read_text()) == [f"127.0.0.1:{ENDPOINT}"]


def test_nothing_stays_after_the_end(tmp_path: Path, folder: Path) -> None:
    """Ray makes a folder for each node beside the sockets; they go when the cluster has stopped, the rest stays."""
    settings = Settings(home=tmp_path)
    settings.run_dir.mkdir()
    settings.private_link.symlink_to(folder)
    for made in (settings.proxy_dir / "0abc", folder / "proxy" / "0abc", folder / "session_latest"):
        made.mkdir(parents=True)
    remove_proxy_files(settings)
    assert not settings.proxy_dir.exists()
    assert sorted(path.name for path in folder.iterdir()) == ["session_latest"]
