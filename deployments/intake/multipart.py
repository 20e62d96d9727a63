"""Multipart forms, parsed while they arrive: the file goes to the spool, fields stay small."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from deployments.intake.spool import Spool
from deployments.sources.headers import disposition, filename_of, text_of
from deployments.sources.recording_bytes import RecordingBytes
from pipelines.errors import InvalidOptions, InvalidRequest

MAX_FIELDS = 64
MAX_FIELD_BYTES = 64 << 10  # all fields together
FILE_FIELD = "file"


@dataclass
class Form:
    """The fields of a form beside its file; ``filename`` is None where the file part gave none."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    filename: str | None = None
    has_file: bool = False


async def read_form(
    body: AsyncIterator[bytes], content_type: str, spool: Spool, max_field_bytes: int = MAX_FIELD_BYTES
) -> Form:
    """Read a form whose part ``file`` holds the recording; its other fields have ``max_field_bytes`` together.

    Raises `InvalidRequest` for a torn or oversized form or a second file, `UnsupportedFormat` from the first bytes of a
    file that is no recording, and whatever the spool raises.
    """
    boundary = disposition(content_type).get_param("boundary", header="content-disposition")
    if not isinstance(boundary, str) or not boundary:
        raise InvalidRequest("The content type multipart/form-data has no boundary.")
    reader = _FormReader(max_field_bytes)
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": reader.part_begins,
                "on_header_field": reader.header_name,
                "on_header_value": reader.header_value,
                "on_header_end": reader.header_ends,
                "on_headers_finished": reader.headers_end,
                "on_part_data": reader.part_data,
                "on_part_end": reader.part_ends,
                "on_end": reader.form_ends,
            },
        )
        async for block in body:
            parser.write(block)
            for data in reader.take_file_data():
                await spool.write(reader.recording.feed(data))
        parser.finalize()
    except FormParserError as error:
        raise InvalidRequest(f"The multipart form cannot be read: {error}") from error
    if not reader.complete:
        raise InvalidRequest("The multipart form ends before its closing boundary.")
    await spool.write(reader.recording.finish())
    return reader.form


class _FormReader:
    """Receives the parser's callbacks; file data is handed on between blocks, since callbacks cannot await."""

    def __init__(self, max_field_bytes: int) -> None:
        self._max_field_bytes = max_field_bytes
        self.form = Form()
        self.recording = RecordingBytes()
        self.complete = False
        self._file_data: list[bytes] = []
        self._header_name = b""
        self._header_value = b""
        self._disposition = b""
        self._content_type = b""
        self._field: str | None = None  # None while the part is the file
        self._value = bytearray()
        self._n_fields = 0
        self._n_field_bytes = 0

    def take_file_data(self) -> list[bytes]:
        data, self._file_data = self._file_data, []
        return data

    def part_begins(self) -> None:
        self._disposition = b""
        self._content_type = b""
        self._value = bytearray()

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def header_ends(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value
        elif self._header_name.lower() == b"content-type":
            self._content_type = self._header_value
        self._header_name = self._header_value = b""

    def headers_end(self) -> None:
        message = disposition(text_of(self._disposition))
        name = message.get_param("name", header="content-disposition")
        if not isinstance(name, str) or not name:
            raise InvalidRequest("A part of the multipart form has no name.")
        if name == FILE_FIELD:
            if self.form.has_file:
                raise InvalidRequest("The form holds more than one file; send one request per recording.")
            self.form.has_file = True
            self.form.filename = filename_of(message)
            self.recording = RecordingBytes(text_of(self._content_type), self.form.filename or "")
            self._field = None
        elif filename_of(message) is not None and name != "options":
            raise InvalidOptions(
                f"The recording belongs in the field {FILE_FIELD!r}, not in {name!r}.",
                ((name, "there is no such file field"),),
            )
        else:
            self._field = name
            self._n_fields += 1
            self._count(len(name))
            if self._n_fields > MAX_FIELDS:
                raise InvalidRequest(f"The form has more than {MAX_FIELDS} fields.")

    def part_data(self, data: bytes, start: int, end: int) -> None:
        if self._field is None:
            self._file_data.append(data[start:end])
        else:
            self._count(end - start)
            self._value += data[start:end]

    def part_ends(self) -> None:
        if self._field is not None:
            self.form.fields.setdefault(self._field, []).append(text_of(bytes(self._value)))

    def form_ends(self) -> None:
        self.complete = True

    def _count(self, n_bytes: int) -> None:
        self._n_field_bytes += n_bytes
        if self._n_field_bytes > self._max_field_bytes:
            raise InvalidRequest(f"The form's fields hold more than {self._max_field_bytes} bytes.")
