"""Templates in a process of their own: the same answers, and whatever happens there stays there."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import Overloaded, ReplicaLost, TemplateInvalid
from pipelines.export.templating import host as template_host
from pipelines.export.templating.host import MAX_ORDER_BYTES
from pipelines.export.templating.process import IsolatedTemplates
from pipelines.export.templating.protocol import LENGTH, TemplateAnswer, TemplateOrder, receive
from pipelines.export.templating.run import TemplatesHere, lay_out
from pipelines.export.templating.templates import shipped, values_of
from pipelines.export.templating.values import Markup
from pipelines.isolation.fork_client import ProcessHost
from tests.support import export_samples as samples


@pytest.fixture(scope="module")
def templates() -> Iterator[IsolatedTemplates]:
    templates = IsolatedTemplates()
    yield templates
    templates.close()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_same_as_in_process(templates: IsolatedTemplates, language: str) -> None:
    """The shipped templates lay real minutes out as they would here: links, tables and lists."""
    transcript, minutes, title = samples.call()
    values = values_of(transcript, minutes, title)
    layout = templates.lay_out(shipped("classic", language), values)
    assert layout == lay_out(shipped("classic", language), values)
    assert layout.blocks


def test_values_arrive_as_they_are() -> None:
    """Markup stays markup, and text that looks like it stays text."""
    values = {"a": Markup("[0:01](#turn_1)"), "b": ["[x](y)", True, 7, 0.5, {"c": Markup("d")}], "e": "\udcff\x00"}
    order = TemplateOrder.decoded(TemplateOrder(template="{{ a }}", values=values).encoded())
    assert order.values == values
    assert order.values is not None
    assert isinstance(order.values["a"], Markup)
    assert isinstance(order.values["b"][4]["c"], Markup)
    assert not isinstance(order.values["b"][0], Markup)


def test_refusals_are_the_same_as_in_process(templates: IsolatedTemplates) -> None:
    """A template is refused there in the words in which it is refused here, and a good one is not."""
    templates.check("# {{ title }}")
    for wrong in ("{{ nothing }}", "{% if", "{{ 7|round(-1000000000) }}", "\udcff{{ x"):
        with pytest.raises(TemplateInvalid) as here:
            TemplatesHere().check(wrong)
        with pytest.raises(TemplateInvalid) as there:
            templates.check(wrong)
        assert str(there.value) == str(here.value).encode("utf-8", "replace").decode()


def test_another_host_is_started(templates: IsolatedTemplates) -> None:
    """A host that dies is replaced at the next template."""
    templates.check("{{ title }}")
    assert templates.host.pid is not None
    os.kill(templates.host.pid, signal.SIGKILL)
    templates.check("{{ title }}")


def test_many_at_once(templates: IsolatedTemplates) -> None:
    """Threads share one host, and each gets its own answer."""
    with ThreadPoolExecutor(8) as threads:
        layouts = list(threads.map(lambda n: templates.lay_out("# {{ n }}", {"n": n}), range(24)))
    assert [layout.title for layout in layouts] == [str(n) for n in range(24)]


def test_it_is_closed_with_its_children() -> None:
    """Afterwards there is no host; nor is there before the first template."""
    own = IsolatedTemplates()
    assert own.host.pid is None
    own.check("x")
    pid = own.host.pid
    assert pid is not None
    own.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert own.host.pid is None


OWNER = """
import os, sys
from pipelines.export.templating.process import IsolatedTemplates
own = IsolatedTemplates()
own.check("x")
print(own.host.pid, flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_host_ends_with_its_owner() -> None:
    """An owner that is killed leaves no host behind."""
    ended = subprocess.run([sys.executable, "-c", OWNER], capture_output=True, text=True, check=False)
    with contextlib.suppress(ProcessLookupError):  # it has ended already
        host = os.pidfd_open(int(ended.stdout))
        assert select.select([host], [], [], 60)[0]
        os.close(host)


def test_the_host_knows_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment holds nothing of ours."""
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-quite-secret")
    own = IsolatedTemplates()
    own.check("x")
    assert b"sk-quite-secret" not in Path(f"/proc/{own.host.pid}/environ").read_bytes()
    own.close()


Act = Callable[[socket.socket], object]


def run_child(monkeypatch: pytest.MonkeyPatch, act: Act, **limits: Any) -> None:
    """Try a template by a host whose children do ``act`` instead; forked, not started, so that they know it."""
    monkeypatch.setattr(template_host, "answer_to", act)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    host = ProcessHost("pipelines.export.templating.host")
    host.serve_by(ours)
    own = IsolatedTemplates(host=host, **limits)
    pid = os.fork()
    if pid == 0:
        ours.close()
        template_host.serve(theirs)
        os._exit(0)
    theirs.close()
    try:
        own.check("x")
    finally:
        own.close()
        os.waitpid(pid, 0)


def deny(act: Callable[[], object]) -> Act:
    """Tell the caller, as a refusal, what came of something that must not be possible."""

    def told(connection: socket.socket) -> None:
        receive(connection, MAX_ORDER_BYTES)
        try:
            act()
            text = "possible"
        except (OSError, MemoryError) as error:
            text = type(error).__name__
        answer = TemplateAnswer(refusal=text).encoded()
        connection.sendall(LENGTH.pack(len(answer)) + answer)

    return told


@pytest.mark.parametrize(
    ("act", "what"),
    [
        (lambda: Path("/etc/hostname").read_bytes(), "PermissionError"),
        (lambda: Path("/tmp/written").write_bytes(b""), "PermissionError"),
        (lambda: socket.create_connection(("127.0.0.1", 9), timeout=1), "PermissionError"),
        (lambda: os.pipe(), "PermissionError"),
        (lambda: bytearray(2 << 30), "MemoryError"),
        (lambda: os.kill(os.getppid(), 0), "PermissionError"),
        (lambda: os.fork(), "PermissionError"),
        (lambda: os.stat("/etc/hostname"), "PermissionError"),
    ],
    ids=[
        *("read a file", "write a file", "connect", "make a pipe", "take memory"),
        *("signal its parent", "fork", "look at a file"),
    ],
)
def test_what_a_child_cannot_do(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], what: str) -> None:
    """Not a file, not a connection, not another process, not more memory than it may."""
    with pytest.raises(TemplateInvalid, match=what):
        run_child(monkeypatch, deny(act))


def spin(connection: socket.socket) -> None:
    while True:
        pass


def crash(connection: socket.socket) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def send_too_much(connection: socket.socket) -> None:
    connection.sendall(LENGTH.pack(1 << 40))
    connection.recv(1)


def talk_nonsense(connection: socket.socket) -> None:
    receive(connection, MAX_ORDER_BYTES)
    connection.sendall(LENGTH.pack(2) + b"[]")


@pytest.mark.parametrize(
    ("act", "what"),
    [
        (spin, "takes too long"),
        (crash, "does not survive"),
        (send_too_much, "should not"),
        (talk_nonsense, "should not"),
    ],
    ids=["spin", "crash", "send too much", "talk nonsense"],
)
def test_a_child_that_goes_wild(monkeypatch: pytest.MonkeyPatch, act: Act, what: str) -> None:
    """It spins, crashes or lies: the template is refused, and nothing else is harmed."""
    with pytest.raises(TemplateInvalid, match=what):
        run_child(monkeypatch, act, cpu_s=1)


def test_too_much_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the language would let through fails at the process' memory, with its own words."""

    def greedy(order: TemplateOrder) -> TemplateAnswer:
        return TemplateAnswer(refusal=str(len(bytearray(2 << 30))))

    with monkeypatch.context() as patched:
        patched.setattr(template_host, "answered", greedy)
        with pytest.raises(TemplateInvalid, match="takes too much memory"):
            run_child(monkeypatch, template_host.answer_to)


def test_a_machine_without_time_is_an_overload(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that gets no processor says nothing about its template: try again later."""
    with pytest.raises(Overloaded, match="busy"):
        run_child(monkeypatch, lambda connection: threading.Event().wait(), wall_s=0.2)


def test_a_process_that_is_killed_from_outside_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the kernel, for want of memory: the second attempt decides, and it is an outage, no refusal."""
    with pytest.raises(ReplicaLost):
        run_child(monkeypatch, lambda connection: os.kill(os.getpid(), signal.SIGKILL))
