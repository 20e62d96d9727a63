"""`RecordingBytes`: the bytes of a recording on their way in, without I/O."""

from deployments.sources.raw_audio import declared_by_name, declares_samples, header_for
from pipelines.audio.first_bytes import UNKNOWN, FirstBytes, has_signature, kind_of

_SIGNATURE_BYTES = 16


class RecordingBytes:
    """Looks at a recording while it comes: what is none is refused from its first bytes, samples get a header.

    Samples without a container are those that ``content_type`` declares, unless they begin like a container, and those
    whose content says nothing where ``filename`` stands for an encoding. Hand every byte through `feed`, and what
    `finish` returns after them. Both raise `UnsupportedFormat`, and `InvalidRequest` for a declaration that says too
    little.
    """

    def __init__(self, content_type: str = "", filename: str = "") -> None:
        self._declared = content_type if declares_samples(content_type) else ""
        self._named = "" if self._declared else declared_by_name(filename)
        self._held: bytearray | None = bytearray() if self._declared or self._named else None
        self._look = FirstBytes()
        self.n_bytes = 0
        """What came so far, without a header of ours."""

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes; return what is to be kept of the recording now."""
        self.n_bytes += len(data)
        if self._held is None:
            self._look.feed(data)
            return data
        self._held += data
        return self._kept(whole=False)

    def finish(self) -> bytes:
        """Take that no more bytes come; return the last ones to be kept."""
        rest = b"" if self._held is None else self._kept(whole=True)
        self._look.finish()
        return rest

    @property
    def decided(self) -> bool:
        """Whether all further bytes are kept as they are."""
        return self._held is None and self._look.kind is not None

    def _kept(self, *, whole: bool) -> bytes:
        """Return what was held back, behind a header where it needs one; nothing while that cannot be told."""
        header = self._header(bytes(self._held or b""), whole=whole)
        if header is None or not self._held:
            return b""
        held, self._held = header + bytes(self._held), None
        self._look.feed(held)
        return held

    def _header(self, head: bytes, *, whole: bool) -> bytes | None:
        """Return the header that the bytes need; None while more of them must come to tell."""
        if self._declared:
            if len(head) < _SIGNATURE_BYTES and not whole:
                return None
            return b"" if has_signature(head) else header_for(self._declared)
        kind = kind_of(head, whole=whole)
        if kind is None:
            return None
        return header_for(self._named) if kind == UNKNOWN else b""
