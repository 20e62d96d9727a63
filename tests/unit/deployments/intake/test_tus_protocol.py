"""The tus protocol without a server: playbooks of requests and decisions, and a property of every sequence of them."""

import base64
import hashlib
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.intake.resumable.tus_protocol import (
    ALGORITHMS,
    Append,
    Checksum,
    Creation,
    CutBack,
    Decision,
    MakeJob,
    PieceHead,
    Refuse,
    TusUpload,
    check_piece_type,
    check_version,
)
from pipelines.errors import (
    ChecksumMismatch,
    EmptyAudio,
    InvalidRequest,
    OffsetConflict,
    TusVersion,
    UnsupportedMediaType,
)


def checksum(data: bytes, algorithm: str = "sha1") -> Checksum:
    return Checksum(algorithm=algorithm, digest=hashlib.new(algorithm, data).digest())


def test_an_upload_in_two_pieces() -> None:
    """Bytes are appended as they come; the last one makes the job, whether the offset is asked for or not."""
    upload = TusUpload(n_bytes=10)
    assert upload.piece_began(PieceHead(offset=0)) == ()
    assert upload.data_came(b"abc") == (Append(b"abc"),)
    assert upload.data_came(b"def") == (Append(b"def"),)
    assert upload.piece_ended() == ()
    assert upload.asked() == ()
    assert upload.piece_began(PieceHead(offset=6)) == ()
    assert upload.data_came(b"ghij") == (Append(b"ghij"),)
    assert upload.piece_ended() == (MakeJob(),)


def test_a_piece_at_the_wrong_offset_is_refused() -> None:
    """The client is told where the upload is, and may go on there."""
    upload = TusUpload(n_bytes=10, offset=4)
    conflict = (Refuse(OffsetConflict, "The upload is at 4."),)
    assert upload.piece_began(PieceHead(offset=0)) == conflict
    assert upload.piece_began(PieceHead(offset=5)) == conflict
    assert upload.piece_began(PieceHead(offset=4)) == ()


def test_a_cut_piece_keeps_what_came() -> None:
    """The connection breaks: the next piece begins behind the bytes that arrived."""
    upload = TusUpload(n_bytes=10)
    upload.piece_began(PieceHead(offset=0))
    assert upload.data_came(b"abc") == (Append(b"abc"),)
    assert upload.piece_cut() == ()
    assert upload.offset == 3


def test_a_cut_piece_with_a_checksum_is_undone() -> None:
    """Nobody can verify the checksum of half a piece."""
    upload = TusUpload(n_bytes=10, offset=2)
    upload.piece_began(PieceHead(offset=2, checksum=checksum(b"cdef")))
    assert upload.data_came(b"cd") == (Append(b"cd"),)
    assert upload.piece_cut() == (CutBack(2),)
    assert upload.offset == 2


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_checksums_of_pieces(algorithm: str) -> None:
    """A piece that differs from its checksum is undone; one that agrees stays."""
    upload = TusUpload(n_bytes=10, offset=2)
    upload.piece_began(PieceHead(offset=2, checksum=checksum(b"xx", algorithm)))
    upload.data_came(b"cd")
    refusal = Refuse(ChecksumMismatch, "The piece differs from its checksum; the upload is at 2.")
    assert upload.piece_ended() == (CutBack(2), refusal)
    upload.piece_began(PieceHead(offset=2, checksum=checksum(b"cd", algorithm)))
    assert upload.data_came(b"cd") == (Append(b"cd"),)
    assert upload.piece_ended() == ()
    assert upload.offset == 4


def test_more_than_was_announced() -> None:
    """The whole piece is undone, and nothing follows when its connection is cut afterwards."""
    upload = TusUpload(n_bytes=4)
    upload.piece_began(PieceHead(offset=0))
    upload.data_came(b"abc")
    refusal = Refuse(InvalidRequest, "The upload was announced with 4 bytes; this is more.")
    assert upload.data_came(b"de") == (CutBack(0), refusal)
    assert upload.piece_cut() == ()
    assert upload.offset == 0


def test_all_bytes_without_a_job() -> None:
    """The process died between the last byte and the job: the next question makes it."""
    assert TusUpload(n_bytes=4, offset=4).asked() == (MakeJob(),)


def test_what_has_become_a_job_takes_nothing() -> None:
    """A repeated question or last piece is answered and changes nothing; an earlier piece is refused."""
    upload = TusUpload(n_bytes=4, offset=4, has_job=True)
    assert upload.asked() == ()
    assert upload.piece_began(PieceHead(offset=4)) == ()
    assert upload.piece_cut() == ()
    assert upload.piece_began(PieceHead(offset=0)) == (Refuse(OffsetConflict, "The upload is at 4."),)


def test_what_a_creation_says() -> None:
    """The length, the file's name and what else is named: options of the job."""
    words = {"filename": "a.wav", "filetype": "audio/wav", "minutes": "none", "empty": ""}
    header = ", ".join(f"{name} {base64.b64encode(text.encode()).decode()}" for name, text in words.items())
    creation = Creation.of({"upload-length": "12", "upload-metadata": header})
    assert creation == Creation(n_bytes=12, filename="a.wav", options={"minutes": "none", "empty": ""})


def test_headers_that_cannot_be_read() -> None:
    """Each is refused by the error of its own."""
    with pytest.raises(EmptyAudio):
        Creation.of({"upload-length": "0"})
    for wrong in ({}, {"upload-length": "-1"}, {"upload-length": "²"}, {"upload-length": "1" * 19}):
        with pytest.raises(InvalidRequest, match="Upload-Length"):
            Creation.of(wrong)
    for metadata in ("a ä", "a AA==,a AA==", "a /w=="):
        with pytest.raises(InvalidRequest, match="Upload-Metadata"):
            Creation.of({"upload-length": "1", "upload-metadata": metadata})
    for text in ("crc32 AA==", "sha1 ä"):
        with pytest.raises(InvalidRequest, match="Upload-Checksum"):
            PieceHead.of({"upload-offset": "0", "upload-checksum": text})
    with pytest.raises(TusVersion):
        check_version({"tus-resumable": "0.2.2"})
    with pytest.raises(UnsupportedMediaType):
        check_piece_type({"content-type": "audio/wav"})


@dataclass
class Disk:
    """Carries decisions out; a refusal is remembered."""

    data: bytearray = field(default_factory=bytearray)
    n_jobs: int = 0
    refused: bool = False

    def carry_out(self, decisions: tuple[Decision, ...]) -> None:
        self.refused = False
        for decision in decisions:
            match decision:
                case Append(data):
                    self.data += data
                case CutBack(n_bytes):
                    del self.data[n_bytes:]
                case MakeJob():
                    self.n_jobs += 1
                case Refuse():
                    self.refused = True


@dataclass(frozen=True)
class Sent:
    """A PATCH: an offset (None: where the upload is), blocks, whether its checksum is right, and whether it is cut."""

    offset: int | None
    blocks: list[bytes]
    checksum: bool | None
    is_cut: bool


PIECES = st.builds(
    Sent,
    offset=st.one_of(st.none(), st.integers(0, 40)),
    blocks=st.lists(st.binary(max_size=8), max_size=4),
    checksum=st.sampled_from([None, True, False]),
    is_cut=st.booleans(),
)


@given(n_bytes=st.integers(1, 40), pieces=st.lists(PIECES, max_size=12))
def test_the_disk_holds_what_was_taken(n_bytes: int, pieces: list[Sent]) -> None:
    """After any sequence of pieces the disk holds those that were taken, in order, as many bytes as the offset says.

    The job is made once: when all bytes are there.
    """
    upload, disk, taken = TusUpload(n_bytes=n_bytes), Disk(), b""
    for piece in pieces:
        offset, whole = (upload.offset if piece.offset is None else piece.offset), b"".join(piece.blocks)
        said = None if piece.checksum is None else checksum(whole if piece.checksum else whole + b"x")
        disk.carry_out(upload.piece_began(PieceHead(offset=offset, checksum=said)))
        assert disk.refused == (offset != len(taken))
        if disk.refused or upload.has_job:
            continue
        for block in piece.blocks:
            disk.carry_out(upload.data_came(block))
            if disk.refused:
                break
        too_much = len(taken) + len(whole) > n_bytes
        assert disk.refused == too_much
        if not disk.refused:
            disk.carry_out(upload.piece_cut() if piece.is_cut else upload.piece_ended())
        if not too_much and (said is None or (piece.checksum and not piece.is_cut)):
            taken += whole
        assert bytes(disk.data) == taken
        assert upload.offset == len(taken) <= n_bytes
        upload.has_job = disk.n_jobs > 0
        disk.carry_out(upload.asked())
        upload.has_job = disk.n_jobs > 0
        assert disk.n_jobs == (len(taken) == n_bytes)
