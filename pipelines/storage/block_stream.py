"""`BlockStream`: blocks of bytes as a stream that is read once, counted and hashed on the way."""

import hashlib
import io
from collections.abc import Iterable


class BlockStream(io.RawIOBase):
    """Reads what an iterable of blocks gives; holds one block. ``n_bytes`` and ``sha256`` are of what was read."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        super().__init__()
        self._blocks = iter(blocks)
        self._left = memoryview(b"")
        self._digest = hashlib.sha256()
        self.n_bytes = 0

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes so far, in hexadecimal."""
        return self._digest.hexdigest()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview", /) -> int:  # type: ignore[override]  # typeshed names a wider type
        while not self._left:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._left = memoryview(block)
        data, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(data)] = data
        self._digest.update(data)
        self.n_bytes += len(data)
        return len(data)

    def read(self, size: int | None = -1, /) -> bytes:
        """Return ``size`` bytes, fewer only at the end: uploads take a short read for the end of a part."""
        wanted = -1 if size is None else size
        found = bytearray()
        while wanted < 0 or len(found) < wanted:
            block = super().read(wanted - len(found) if wanted >= 0 else io.DEFAULT_BUFFER_SIZE)
            if not block:
                break
            found += block
        return bytes(found)
