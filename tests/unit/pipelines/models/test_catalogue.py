"""Finding, checking and fetching models."""

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipelines.errors import ModelUnavailable, ModelUnknown
from pipelines.models.catalogue import (
    BUNDLED_DIR,
    BUNDLED_MODELS,
    ENGLISH_ONLY_TOKENS,
    PUBLISHED_MODELS,
    WEIGHTS_FILE,
    is_english_only,
    list_models,
    missing_files,
    read_profile,
    read_sums,
    resolve,
    verify,
    weights_sha256,
    write_sums,
)
from pipelines.models.download import pull
from pipelines.models.profile import ModelProfile

FILES = {
    "config.json": b'{"alignment_heads": [[0, 0]], "lang_ids": [], "suppress_ids": [], "suppress_ids_begin": []}',
    "model.bin": b"weights" * 5000,
    "tokenizer.json": b"{}",
    "vocabulary.txt": b"a\nb\n",
}


def write_model(folder: Path, *, without: str = "") -> Path:
    folder.mkdir(parents=True)
    for name, data in FILES.items():
        if name != without:
            (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize("name", BUNDLED_MODELS)
def test_bundled_model_is_found_and_intact(tmp_path: Path, name: str) -> None:
    """It needs no models directory, and every file it ships is what its sums say."""
    model = resolve(name, tmp_path / "absent")
    assert set(verify(model.path)) >= {"config.json", "model.bin", "tokenizer.json", "vocabulary.json"}
    assert model.sha256 == hashlib.sha256((model.path / WEIGHTS_FILE).read_bytes()).hexdigest()


def test_bundled_models_say_what_they_speak() -> None:
    """Their profiles keep them from being asked for languages whose tokens they have but never learned."""
    assert read_profile(BUNDLED_DIR / "mini-en").languages == ("en",)
    assert read_profile(BUNDLED_DIR / "mini-zh-en").languages == ("zh", "en")


def test_published_name_without_weights_says_how_to_get_them(tmp_path: Path) -> None:
    """The error names the command that fetches the model and the flag that points elsewhere."""
    with pytest.raises(ModelUnavailable, match=r"meetmemo models pull base.*--model /path"):
        resolve("base", tmp_path)


@pytest.mark.parametrize("name", ["nonsense", "..", "Base", "", "base en"])
def test_unknown_name_is_refused(tmp_path: Path, name: str) -> None:
    """What is neither a name, a folder nor a path is unknown or not there, never a crash."""
    with pytest.raises((ModelUnknown, ModelUnavailable)):
        resolve(name, tmp_path / "models")


def test_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    """The error for an unknown name lists what would be known."""
    with pytest.raises(ModelUnknown, match=r"mini-en.*large-v3-turbo"):
        resolve("nonsense", tmp_path)


@pytest.mark.parametrize(("name", "folder"), [("base", "base"), ("turbo", "large-v3-turbo"), ("our-own", "our-own")])
def test_folder_in_the_models_directory_is_found(tmp_path: Path, name: str, folder: str) -> None:
    """Published names, their aliases and own folders resolve to folders of the models directory."""
    path = write_model(tmp_path / folder)
    model = resolve(name, tmp_path)
    assert (model.name, model.path, model.sha256) == (folder, path, "")


def test_path_is_taken_as_it_is(tmp_path: Path) -> None:
    """A name with a slash is a path, whatever the models directory holds."""
    path = write_model(tmp_path / "somewhere" / "mine")
    assert resolve(str(path), tmp_path).path == path


def test_path_to_nothing_is_unavailable(tmp_path: Path) -> None:
    """A path that is no folder is named in the error."""
    with pytest.raises(ModelUnavailable, match="no model folder"):
        resolve(str(tmp_path / "absent"), tmp_path)


@pytest.mark.parametrize("without", FILES)
def test_incomplete_folder_is_unavailable(tmp_path: Path, without: str) -> None:
    """Each needed file is missed, by name."""
    write_model(tmp_path / "base", without=without)
    missing = without.replace(".txt", ".json")
    with pytest.raises(ModelUnavailable, match=missing):
        resolve("base", tmp_path)
    with pytest.raises(ModelUnavailable, match=missing):
        verify(tmp_path / "base")


def test_damage_is_found_by_hash(tmp_path: Path) -> None:
    """One flipped bit in the weights is enough."""
    path = write_model(tmp_path / "base")
    write_sums(path)
    assert set(verify(path)) == set(FILES)
    data = bytearray(FILES[WEIGHTS_FILE])
    data[100] ^= 1
    (path / WEIGHTS_FILE).write_bytes(data)
    with pytest.raises(ModelUnavailable, match=r"model\.bin damaged"):
        verify(path)


def test_file_named_by_the_sums_but_gone_is_found(tmp_path: Path) -> None:
    """A file that only the sums know is missing too."""
    path = write_model(tmp_path / "base")
    (path / "extra").write_bytes(b"x")
    write_sums(path)
    (path / "extra").unlink()
    with pytest.raises(ModelUnavailable, match="extra missing"):
        verify(path)


def test_malformed_sums_are_an_error(tmp_path: Path) -> None:
    """Sums that cannot be parsed, or that point out of the folder, are not passed over."""
    path = write_model(tmp_path / "base")
    (path / "SHA256SUMS").write_text(f"{'0' * 64}  ../../secret\n")
    with pytest.raises(ModelUnavailable, match="malformed"):
        read_sums(path)


def test_weights_without_sums_are_hashed(tmp_path: Path) -> None:
    """A model found by path has an identity even without sums."""
    path = write_model(tmp_path / "base")
    assert weights_sha256(path) == hashlib.sha256(FILES[WEIGHTS_FILE]).hexdigest()


def test_profile_of_a_plain_folder_says_nothing(tmp_path: Path) -> None:
    """Models from elsewhere have no profile."""
    assert read_profile(write_model(tmp_path / "base")) == ModelProfile()


@pytest.mark.parametrize("name", ["vocabulary.json", "vocabulary.txt"])
def test_english_only_models_are_known_by_their_vocabulary(tmp_path: Path, name: str) -> None:
    """Whatever the folder is called: OpenAI's have 51,864 tokens, the multilingual ones one or two more."""
    path = write_model(tmp_path / "copied", without="vocabulary.txt")
    for n_tokens, expected in ((ENGLISH_ONLY_TOKENS, True), (ENGLISH_ONLY_TOKENS + 1, False), (2535, False)):
        tokens = [f"token {i}" for i in range(n_tokens)]
        text = json.dumps(tokens) if name.endswith(".json") else "".join(f"{token}\n" for token in tokens)
        (path / name).write_text(text)
        assert is_english_only(path) is expected


def test_a_vocabulary_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """A damaged folder is named, not guessed about."""
    path = write_model(tmp_path / "base")
    (path / "vocabulary.json").write_text("[")
    with pytest.raises(ModelUnavailable, match="vocabulary"):
        is_english_only(path)


def test_broken_profile_is_an_error(tmp_path: Path) -> None:
    """A profile that does not parse is not ignored."""
    path = write_model(tmp_path / "base")
    (path / "meetmemo.json").write_text('{"languages": 3}')
    with pytest.raises(ModelUnavailable, match=r"meetmemo\.json"):
        read_profile(path)


def test_list_shows_what_is_there_and_what_could_be(tmp_path: Path) -> None:
    """Bundled, published and own models are listed once each; only complete ones have a path."""
    write_model(tmp_path / "tiny")
    write_model(tmp_path / "our-own")
    write_model(tmp_path / "base", without="model.bin")
    entries = {entry.name: entry for entry in list_models(tmp_path)}
    assert set(entries) == {*BUNDLED_MODELS, "our-own", *PUBLISHED_MODELS}
    assert {name for name, entry in entries.items() if entry.path} == {*BUNDLED_MODELS, "tiny", "our-own"}
    assert entries["tiny"].n_bytes == sum(map(len, FILES.values()))
    assert {name for name, entry in entries.items() if entry.bundled} == set(BUNDLED_MODELS)


@dataclass
class Hub:
    """A hub with one model; ``damage`` flips a byte of the weights on their way, ``without`` hides a file."""

    url: str = ""
    damage: bool = False
    without: str = ""
    requests: list[str] = field(default_factory=list)

    def respond(self, request: BaseHTTPRequestHandler) -> None:
        self.requests.append(f"{request.command} {request.path}")
        repository = PUBLISHED_MODELS["tiny"]
        files = {name: data for name, data in FILES.items() if name != self.without}
        name = request.path.partition("/resolve/")[2].partition("/")[2]
        if request.path.startswith(f"/api/models/{repository}"):
            siblings = [self._sibling(name, data) for name, data in files.items()]
            body = json.dumps({"id": repository, "sha": "c" * 40, "siblings": siblings}).encode()
            self._send(request, 200, body, {"Content-Type": "application/json"})
        elif name in files:
            etag = hashlib.sha256(files[name]).hexdigest()
            body = files[name][:-1] + b"!" if self.damage and name == WEIGHTS_FILE else files[name]
            self._send(request, 200, body, {"ETag": f'"{etag}"', "X-Repo-Commit": "c" * 40})
        else:
            self._send(request, 404, b"", {"X-Error-Code": "EntryNotFound"})

    def _sibling(self, name: str, data: bytes) -> dict[str, object]:
        sibling: dict[str, object] = {"rfilename": name, "size": len(data), "blobId": "b" * 40}
        if name == WEIGHTS_FILE:
            sibling["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
        return sibling

    def _send(self, request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str]) -> None:
        request.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            request.send_header(key, value)
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(body)


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A server on this machine that speaks as much of the hub's protocol as its client asks for."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            hub.respond(self)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    yield hub
    server.shutdown()
    server.server_close()
    thread.join()


def test_pull_puts_a_verified_model_in_place(tmp_path: Path, hub: Hub) -> None:
    """What arrives is complete, has its sums, and is found under its name; nothing else stays behind."""
    seen: list[tuple[int, int]] = []
    path = pull("tiny", tmp_path / "models", lambda done, total: seen.append((done, total)), endpoint=hub.url)
    assert set(verify(path)) == set(FILES)
    assert {file.name for file in path.iterdir()} == {*FILES, "SHA256SUMS"}
    assert resolve("tiny", tmp_path / "models").sha256 == hashlib.sha256(FILES[WEIGHTS_FILE]).hexdigest()
    assert list((tmp_path / "models").iterdir()) == [path]
    total = sum(map(len, FILES.values()))
    assert seen[-1] == (total, total)
    assert seen == sorted(seen)


def test_pull_keeps_an_intact_copy(tmp_path: Path, hub: Hub) -> None:
    """A second pull asks the hub for nothing."""
    pull("tiny", tmp_path, endpoint=hub.url)
    hub.requests.clear()
    pull("tiny", tmp_path, endpoint=hub.url)
    assert hub.requests == []


def test_pull_replaces_a_damaged_copy(tmp_path: Path, hub: Hub) -> None:
    """A copy that fails verification is fetched again."""
    path = pull("tiny", tmp_path, endpoint=hub.url)
    (path / WEIGHTS_FILE).write_bytes(b"damaged")
    pull("tiny", tmp_path, endpoint=hub.url)
    assert set(verify(path)) == set(FILES)


def test_pull_refuses_weights_damaged_on_the_way(tmp_path: Path, hub: Hub) -> None:
    """Weights that do not match the hub's hash never get their name, and the old copy stays."""
    old = write_model(tmp_path / "tiny", without=WEIGHTS_FILE)
    hub.damage = True
    with pytest.raises(ModelUnavailable, match="damaged"):
        pull("tiny", tmp_path, endpoint=hub.url)
    assert list(tmp_path.iterdir()) == [old]
    assert missing_files(old) == (WEIGHTS_FILE,)


def test_pull_refuses_a_repository_that_is_no_model(tmp_path: Path, hub: Hub) -> None:
    """A repository that lacks a needed file is not installed."""
    hub.without = "tokenizer.json"
    with pytest.raises(ModelUnavailable, match=r"lacks tokenizer\.json"):
        pull("tiny", tmp_path, endpoint=hub.url)
    assert list(tmp_path.iterdir()) == []


def test_pull_without_network_says_what_to_do(tmp_path: Path) -> None:
    """An unreachable hub is one clear error, and leaves nothing behind."""
    with pytest.raises(ModelUnavailable, match=r"cannot be fetched.*copy the folder"):
        pull("tiny", tmp_path, endpoint="http://127.0.0.1:9")
    assert list(tmp_path.iterdir()) == []


def test_pull_of_an_unpublished_name_is_refused(tmp_path: Path) -> None:
    """Only published names are fetched: not paths, not the bundled model, not any repository of the hub."""
    for name in ("mini-en", "someone/else", "nonsense"):
        with pytest.raises(ModelUnknown, match="published are"):
            pull(name, tmp_path)


def test_pull_refuses_when_the_disk_is_full(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room is checked before the first byte is fetched."""
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ModelUnavailable, match="MiB free"):
        pull("tiny", tmp_path, endpoint=hub.url)
    assert not [request for request in hub.requests if "/resolve/" in request]
