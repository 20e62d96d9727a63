"""What the store in a bucket must do with every server that speaks S3, beyond what every store must do."""

import io
import wave
from pathlib import Path
from typing import TYPE_CHECKING

import av
import pytest
from av.container import InputContainer

from pipelines.errors import StoreUnavailable
from pipelines.storage.protocol import BlobStore
from pipelines.storage.s3 import PART_BYTES
from pipelines.storage.s3_reader import READ_AHEAD_BYTES
from tests.contracts.store import DurableStoreContract

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class S3StoreContract(DurableStoreContract):
    """Needs fixtures ``store``, which lies under ``some/prefix``, ``client`` and ``bucket``."""

    def test_stays_under_its_prefix(self, store: BlobStore, client: "S3Client", bucket: str) -> None:
        """Two stores in one bucket do not see or delete each other's blobs."""
        client.put_object(Bucket=bucket, Key="elsewhere/a/b", Body=b"x")
        store.put("a/b", b"y")
        assert list(store.list("")) == ["a/b"]
        store.delete_prefix("a/")
        assert [item["Key"] for item in client.list_objects_v2(Bucket=bucket)["Contents"]] == ["elsewhere/a/b"]

    def test_large_file_goes_in_parts(self, store: BlobStore, client: "S3Client", bucket: str, tmp_path: Path) -> None:
        """A file larger than a part is uploaded in parts and comes back identical, with its checksum."""
        path = tmp_path / "spool"
        block = bytes(range(251)) * 4_096
        with open(path, "wb") as file:
            while file.tell() < 2 * PART_BYTES:
                file.write(block)
        ref = store.put_file("t/j/source", path)
        assert ref.n_bytes == path.stat().st_size
        head = client.head_object(Bucket=bucket, Key="some/prefix/t/j/source")
        assert head["ETag"].endswith('-3"')
        assert head["Metadata"] == {"sha256": ref.sha256}
        assert store.get("t/j/source") == path.read_bytes()
        with store.open("t/j/source") as stream:
            stream.seek(PART_BYTES - 5)
            assert stream.read(10) == store.get_range("t/j/source", PART_BYTES - 5, 10)
        store.delete("t/j/source")
        assert not client.list_objects_v2(Bucket=bucket)["KeyCount"]

    def test_decoder_reads_from_the_stream(self, store: BlobStore) -> None:
        """PyAV decodes a recording that is fetched while it is read."""
        recording = io.BytesIO()
        with wave.open(recording, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(bytes(2 * 16_000 * 180))
        assert len(recording.getvalue()) > READ_AHEAD_BYTES
        store.put("t/j/source", recording.getvalue())
        with store.open("t/j/source") as stream, av.open(stream) as container:
            assert isinstance(container, InputContainer)
            frames = container.decode(container.streams.audio[0])
            assert sum(frame.samples for frame in frames) == 16_000 * 180

    def test_replaced_while_read(self, store: BlobStore) -> None:
        """A stream never mixes two versions of a blob."""
        store.put("a/b", b"1" * (READ_AHEAD_BYTES + 10))
        with store.open("a/b") as stream:
            assert stream.read(1) == b"1"
            store.put("a/b", b"2" * (READ_AHEAD_BYTES + 10))
            with pytest.raises(StoreUnavailable):
                stream.read()

    def test_deleted_while_read(self, store: BlobStore) -> None:
        """A blob that goes away under a reader is an error, not an early end."""
        store.put("a/b", b"1" * (READ_AHEAD_BYTES + 10))
        with store.open("a/b") as stream:
            assert stream.read(1) == b"1"
            store.delete("a/b")
            with pytest.raises(StoreUnavailable):
                stream.read()
