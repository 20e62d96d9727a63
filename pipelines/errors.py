"""Every error MeetMemo raises on purpose, with its enumerated reason.

    MeetMemoError
    ├── InputError                the recording cannot be used
    │   ├── UnsupportedFormat     unsupported_format
    │   ├── NoAudioStream         no_audio_stream
    │   ├── EmptyAudio            empty_audio
    │   ├── CorruptAudio          corrupt_audio
    │   ├── TooLong               too_long
    │   └── TooLarge              too_large
    ├── RequestError              the request cannot be read, or not be answered yet
    │   ├── InvalidRequest        invalid_request
    │   ├── Unauthenticated       unauthenticated
    │   ├── Forbidden             forbidden
    │   ├── CrossSite             cross_site
    │   ├── Misdirected           misdirected
    │   ├── UnsupportedMediaType  unsupported_media_type
    │   ├── UploadStalled         upload_stalled
    │   ├── UploadBusy            upload_busy
    │   ├── RequestInFlight       request_in_flight
    │   ├── OffsetConflict        offset_conflict
    │   ├── UploadIncomplete      upload_incomplete
    │   ├── ChecksumMismatch      checksum_mismatch
    │   ├── TusVersion            tus_version
    │   ├── NotFound              not_found
    │   ├── MethodNotAllowed      method_not_allowed
    │   └── ResultPending         result_pending
    ├── SourceUnreachable         source_unreachable
    ├── OptionError               invalid_option
    │   ├── InvalidSidecar        invalid_sidecar
    │   ├── TemplateUnknown       template_unknown
    │   └── TemplateInvalid       template_invalid
    ├── ModelError
    │   ├── ModelUnknown          model_unknown
    │   └── ModelUnavailable      model_unavailable
    ├── TranscriptionFailed       transcription_failed
    ├── TimedOut                  timed_out
    ├── ReplicaLost               replica_lost
    │   └── DeviceLost            replica_lost
    ├── Draining                  draining
    ├── StorageError
    │   ├── BlobMissing           blob_missing
    │   └── StoreUnavailable      store_unavailable
    │       └── StoreFull         insufficient_storage
    ├── LedgerError
    │   ├── LedgerUnavailable     ledger_unavailable
    │   ├── JobUnknown            job_unknown
    │   ├── KeyUnknown            key_unknown
    │   ├── Fenced                fenced
    │   ├── VersionConflict       version_conflict
    │   ├── IdempotencyConflict   idempotency_conflict
    │   └── ExternalIdConflict    external_id_conflict
    ├── IllegalTransition         illegal_transition
    ├── Overloaded                overloaded
    ├── MinutesError              minutes_failed
    │   └── MinutesParked         minutes_failed
    └── ConfigurationError        invalid_configuration

Errors cross process boundaries, so every argument goes to ``super().__init__`` and they pickle.
"""

from enum import StrEnum
from typing import ClassVar


class Reason(StrEnum):
    """The reason of a failed job or a refused request; part of the public API."""

    UNSUPPORTED_FORMAT = "unsupported_format"
    NO_AUDIO_STREAM = "no_audio_stream"
    EMPTY_AUDIO = "empty_audio"
    CORRUPT_AUDIO = "corrupt_audio"
    TOO_LONG = "too_long"
    TOO_LARGE = "too_large"
    SOURCE_UNREACHABLE = "source_unreachable"
    INVALID_OPTION = "invalid_option"
    INVALID_SIDECAR = "invalid_sidecar"
    TEMPLATE_UNKNOWN = "template_unknown"
    TEMPLATE_INVALID = "template_invalid"
    MODEL_UNKNOWN = "model_unknown"
    MODEL_UNAVAILABLE = "model_unavailable"
    TRANSCRIPTION_FAILED = "transcription_failed"
    TIMED_OUT = "timed_out"
    REPLICA_LOST = "replica_lost"
    DRAINING = "draining"
    BLOB_MISSING = "blob_missing"
    STORE_UNAVAILABLE = "store_unavailable"
    INSUFFICIENT_STORAGE = "insufficient_storage"
    LEDGER_UNAVAILABLE = "ledger_unavailable"
    JOB_UNKNOWN = "job_unknown"
    KEY_UNKNOWN = "key_unknown"
    FENCED = "fenced"
    VERSION_CONFLICT = "version_conflict"
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    EXTERNAL_ID_CONFLICT = "external_id_conflict"
    ILLEGAL_TRANSITION = "illegal_transition"
    OVERLOADED = "overloaded"
    MINUTES_FAILED = "minutes_failed"
    INVALID_CONFIGURATION = "invalid_configuration"
    INVALID_REQUEST = "invalid_request"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    CROSS_SITE = "cross_site"
    MISDIRECTED = "misdirected"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    UPLOAD_STALLED = "upload_stalled"
    UPLOAD_BUSY = "upload_busy"
    REQUEST_IN_FLIGHT = "request_in_flight"
    OFFSET_CONFLICT = "offset_conflict"
    UPLOAD_INCOMPLETE = "upload_incomplete"
    CHECKSUM_MISMATCH = "checksum_mismatch"
    TUS_VERSION = "tus_version"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    RESULT_PENDING = "result_pending"
    INTERNAL = "internal"


class MeetMemoError(Exception):
    """Root of all errors raised on purpose; ``reason`` is enumerated, the text is for people."""

    reason: ClassVar[Reason] = Reason.INTERNAL


class InputError(MeetMemoError):
    """The recording cannot be used as it is."""


class UnsupportedFormat(InputError):
    """The bytes are in no accepted audio or video format."""

    reason = Reason.UNSUPPORTED_FORMAT


class NoAudioStream(InputError):
    """The container holds no audio stream."""

    reason = Reason.NO_AUDIO_STREAM


class EmptyAudio(InputError):
    """There is nothing to transcribe: no bytes, or not one decoded sample."""

    reason = Reason.EMPTY_AUDIO


class CorruptAudio(InputError):
    """The format was recognised but nothing in it could be decoded."""

    reason = Reason.CORRUPT_AUDIO


class TooLong(InputError):
    """The recording decodes to more seconds than the limit allows."""

    reason = Reason.TOO_LONG


class TooLarge(InputError):
    """The source has more bytes than the limit allows."""

    reason = Reason.TOO_LARGE


class RequestError(MeetMemoError):
    """A request cannot be read, or not be answered yet."""


class InvalidRequest(RequestError):
    """The request is malformed: broken JSON, a torn multipart body, a bad cursor."""

    reason = Reason.INVALID_REQUEST


class Unauthenticated(RequestError):
    """The request brings no key, or one that is unknown, expired or revoked."""

    reason = Reason.UNAUTHENTICATED


class Forbidden(RequestError):
    """The key may not do this: it lacks ``scope``."""

    reason = Reason.FORBIDDEN

    def __init__(self, message: str, scope: str = "") -> None:
        super().__init__(message, scope)
        self.scope = scope

    def __str__(self) -> str:
        return str(self.args[0])


class CrossSite(RequestError):
    """A page of another origin, which may not use this server, had a browser send the request."""

    reason = Reason.CROSS_SITE


class Misdirected(RequestError):
    """The request names a host that this server is not."""

    reason = Reason.MISDIRECTED


class UnsupportedMediaType(RequestError):
    """The body's content type or content encoding is not accepted."""

    reason = Reason.UNSUPPORTED_MEDIA_TYPE


class UploadStalled(RequestError):
    """The client stopped sending in the middle of the body."""

    reason = Reason.UPLOAD_STALLED


class UploadBusy(RequestError):
    """Another request writes to the same resumable upload."""

    reason = Reason.UPLOAD_BUSY


class RequestInFlight(RequestError):
    """The first request under an idempotency key is still being answered."""

    reason = Reason.REQUEST_IN_FLIGHT


class OffsetConflict(RequestError):
    """A piece of a resumable upload does not begin where the one before ended."""

    reason = Reason.OFFSET_CONFLICT


class UploadIncomplete(RequestError):
    """A job is wanted of an upload that is not there, or not whole."""

    reason = Reason.UPLOAD_INCOMPLETE


class ChecksumMismatch(RequestError):
    """A piece of a resumable upload differs from its checksum."""

    reason = Reason.CHECKSUM_MISMATCH


class TusVersion(RequestError):
    """The client speaks another version of the tus protocol, or none."""

    reason = Reason.TUS_VERSION


class NotFound(RequestError):
    """There is nothing at this address."""

    reason = Reason.NOT_FOUND


class MethodNotAllowed(RequestError):
    """The address exists but does not take this method."""

    reason = Reason.METHOD_NOT_ALLOWED


class ResultPending(RequestError):
    """The job has not produced this result yet."""

    reason = Reason.RESULT_PENDING


class SourceUnreachable(MeetMemoError):
    """A source URL or key could not be read."""

    reason = Reason.SOURCE_UNREACHABLE


class OptionError(MeetMemoError):
    """A job option is unknown, unsupported or out of range."""

    reason = Reason.INVALID_OPTION


class InvalidSidecar(OptionError):
    """The JSON file beside a recording cannot be read."""

    reason = Reason.INVALID_SIDECAR


class TemplateUnknown(OptionError):
    """No template of that name is configured for the tenant."""

    reason = Reason.TEMPLATE_UNKNOWN


class TemplateInvalid(OptionError):
    """A template cannot be parsed, does what templates may not, or names what there is not."""

    reason = Reason.TEMPLATE_INVALID


class ModelError(MeetMemoError):
    """A Whisper model cannot be used."""


class ModelUnknown(ModelError):
    """No model of that name is configured."""

    reason = Reason.MODEL_UNKNOWN


class ModelUnavailable(ModelError):
    """The model's weights are missing, damaged or cannot be fetched."""

    reason = Reason.MODEL_UNAVAILABLE


class TranscriptionFailed(MeetMemoError):
    """No chunk of the recording could be transcribed."""

    reason = Reason.TRANSCRIPTION_FAILED


class TimedOut(MeetMemoError):
    """A step took longer than it may; the same step may succeed elsewhere or later."""

    reason = Reason.TIMED_OUT


class ReplicaLost(MeetMemoError):
    """The process that worked on something died, or cannot be reached."""

    reason = Reason.REPLICA_LOST


class DeviceLost(ReplicaLost):
    """The process can use its device no more, and must be replaced."""


class Draining(MeetMemoError):
    """The cluster finishes what it has and takes nothing new."""

    reason = Reason.DRAINING


class StorageError(MeetMemoError):
    """The blob store did not do what it was asked."""


class BlobMissing(StorageError):
    """No blob has that key."""

    reason = Reason.BLOB_MISSING


class StoreUnavailable(StorageError):
    """The blob store cannot be reached, is full or read-only."""

    reason = Reason.STORE_UNAVAILABLE


class StoreFull(StoreUnavailable):
    """The blob store, or the folder where uploads are spooled, has no room left."""

    reason = Reason.INSUFFICIENT_STORAGE


class LedgerError(MeetMemoError):
    """The ledger did not do what it was asked."""


class LedgerUnavailable(LedgerError):
    """The ledger cannot be reached or is locked."""

    reason = Reason.LEDGER_UNAVAILABLE


class JobUnknown(LedgerError):
    """No job of this tenant has that id."""

    reason = Reason.JOB_UNKNOWN


class KeyUnknown(LedgerError):
    """No API key has that id."""

    reason = Reason.KEY_UNKNOWN


class Fenced(LedgerError):
    """Another coordinator holds a newer lease; this one must stop writing."""

    reason = Reason.FENCED


class VersionConflict(LedgerError):
    """The job was written since this copy of it was read; read it again."""

    reason = Reason.VERSION_CONFLICT


class IdempotencyConflict(LedgerError):
    """The idempotency key was used before with a different request."""

    reason = Reason.IDEMPOTENCY_CONFLICT


class ExternalIdConflict(LedgerError):
    """The external id belongs to a job of another recording."""

    reason = Reason.EXTERNAL_ID_CONFLICT


class IllegalTransition(MeetMemoError):
    """The event does not apply to the job's state; the text holds the job's history."""

    reason = Reason.ILLEGAL_TRANSITION


class Overloaded(MeetMemoError):
    """A bounded queue is full; try again after ``retry_after_s`` seconds."""

    reason = Reason.OVERLOADED

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message, retry_after_s)
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return str(self.args[0])


class MinutesError(MeetMemoError):
    """The minutes could not be written; the transcript is unaffected."""

    reason = Reason.MINUTES_FAILED


class MinutesParked(MinutesError):
    """The minutes cannot be written for now, but later, not before ``not_before_s`` (Unix seconds; 0: any time)."""

    def __init__(self, message: str, not_before_s: float = 0.0) -> None:
        super().__init__(message, not_before_s)
        self.not_before_s = not_before_s

    def __str__(self) -> str:
        return str(self.args[0])


class ConfigurationError(MeetMemoError):
    """A setting is missing, unknown or contradictory."""

    reason = Reason.INVALID_CONFIGURATION


class InvalidOptions(OptionError):
    """Options that failed validation; ``errors`` holds (field, message) pairs."""

    def __init__(self, message: str, errors: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message, errors)
        self.errors = errors

    def __str__(self) -> str:
        return str(self.args[0])


def refused_option(name: str, why: str) -> InvalidOptions:
    """Return the error for one option."""
    return InvalidOptions(f"{name}: {why}", ((name, why),))
