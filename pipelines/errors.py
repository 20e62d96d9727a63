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
    │   ├── SignInFailed          sign_in_failed
    │   ├── SignInRefused         sign_in_refused
    │   ├── ProviderUnavailable   provider_unavailable
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
    │   ├── RangeNotSatisfiable   range_not_satisfiable
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
    │   │   └── AudioGone         audio_gone
    │   └── StoreUnavailable      store_unavailable
    │       └── StoreFull         insufficient_storage
    ├── LedgerError
    │   ├── LedgerUnavailable     ledger_unavailable
    │   ├── JobUnknown            job_unknown
    │   ├── KeyUnknown            key_unknown
    │   ├── Fenced                fenced
    │   ├── VersionConflict       version_conflict
    │   ├── IdempotencyConflict   idempotency_conflict
    │   ├── ExternalIdConflict    external_id_conflict
    │   └── OnHold                legal_hold
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
    AUDIO_GONE = "audio_gone"
    STORE_UNAVAILABLE = "store_unavailable"
    INSUFFICIENT_STORAGE = "insufficient_storage"
    LEDGER_UNAVAILABLE = "ledger_unavailable"
    JOB_UNKNOWN = "job_unknown"
    KEY_UNKNOWN = "key_unknown"
    FENCED = "fenced"
    VERSION_CONFLICT = "version_conflict"
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    EXTERNAL_ID_CONFLICT = "external_id_conflict"
    LEGAL_HOLD = "legal_hold"
    ILLEGAL_TRANSITION = "illegal_transition"
    OVERLOADED = "overloaded"
    MINUTES_FAILED = "minutes_failed"
    INVALID_CONFIGURATION = "invalid_configuration"
    INVALID_REQUEST = "invalid_request"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    SIGN_IN_FAILED = "sign_in_failed"
    SIGN_IN_REFUSED = "sign_in_refused"
    PROVIDER_UNAVAILABLE = "provider_unavailable"
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
    RANGE_NOT_SATISFIABLE = "range_not_satisfiable"
    RESULT_PENDING = "result_pending"
    INTERNAL = "internal"


class MeetMemoError(Exception):
    """Root of all errors raised on purpose; ``reason`` is enumerated, the text is for people."""

    reason: ClassVar[Reason] = Reason.INTERNAL

    def __init_subclass__(cls, *, reason: Reason | None = None) -> None:
        super().__init_subclass__()
        cls.reason = reason or cls.reason

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class InputError(MeetMemoError):
    """The recording cannot be used as it is."""


class UnsupportedFormat(InputError, reason=Reason.UNSUPPORTED_FORMAT):
    """The bytes are in no accepted audio or video format."""


class NoAudioStream(InputError, reason=Reason.NO_AUDIO_STREAM):
    """The container holds no audio stream."""


class EmptyAudio(InputError, reason=Reason.EMPTY_AUDIO):
    """There is nothing to transcribe: no bytes, or not one decoded sample."""


class CorruptAudio(InputError, reason=Reason.CORRUPT_AUDIO):
    """The format was recognised but nothing in it could be decoded."""


class TooLong(InputError, reason=Reason.TOO_LONG):
    """The recording decodes to more seconds than the limit allows."""


class TooLarge(InputError, reason=Reason.TOO_LARGE):
    """The source has more bytes than the limit allows."""


class RequestError(MeetMemoError):
    """A request cannot be read, or not be answered yet."""


class InvalidRequest(RequestError, reason=Reason.INVALID_REQUEST):
    """The request is malformed: broken JSON, a torn multipart body, a bad cursor."""


class Unauthenticated(RequestError, reason=Reason.UNAUTHENTICATED):
    """The request brings no key, or one that is unknown, expired or revoked."""


class Forbidden(RequestError, reason=Reason.FORBIDDEN):
    """The key may not do this: it lacks ``scope``."""

    def __init__(self, message: str, scope: str = "") -> None:
        super().__init__(message, scope)
        self.scope = scope


class SignInFailed(RequestError, reason=Reason.SIGN_IN_FAILED):
    """A sign-in cannot be completed: it is too old, was begun elsewhere, or the provider's answer does not hold."""


class SignInRefused(RequestError, reason=Reason.SIGN_IN_REFUSED):
    """The provider knows the person, but nothing here is for them."""


class ProviderUnavailable(RequestError, reason=Reason.PROVIDER_UNAVAILABLE):
    """The identity provider cannot be reached, or does not answer as one; signing in may work later."""


class CrossSite(RequestError, reason=Reason.CROSS_SITE):
    """A page of another origin, which may not use this server, had a browser send the request."""


class Misdirected(RequestError, reason=Reason.MISDIRECTED):
    """The request names a host that this server is not."""


class UnsupportedMediaType(RequestError, reason=Reason.UNSUPPORTED_MEDIA_TYPE):
    """The body's content type or content encoding is not accepted."""


class UploadStalled(RequestError, reason=Reason.UPLOAD_STALLED):
    """The client stopped sending in the middle of the body."""


class UploadBusy(RequestError, reason=Reason.UPLOAD_BUSY):
    """Another request writes to the same resumable upload."""


class RequestInFlight(RequestError, reason=Reason.REQUEST_IN_FLIGHT):
    """The first request under an idempotency key is still being answered."""


class OffsetConflict(RequestError, reason=Reason.OFFSET_CONFLICT):
    """A piece of a resumable upload does not begin where the one before ended."""


class UploadIncomplete(RequestError, reason=Reason.UPLOAD_INCOMPLETE):
    """A job is wanted of an upload that is not there, or not whole."""


class ChecksumMismatch(RequestError, reason=Reason.CHECKSUM_MISMATCH):
    """A piece of a resumable upload differs from its checksum."""


class TusVersion(RequestError, reason=Reason.TUS_VERSION):
    """The client speaks another version of the tus protocol, or none."""


class NotFound(RequestError, reason=Reason.NOT_FOUND):
    """There is nothing at this address."""


class MethodNotAllowed(RequestError, reason=Reason.METHOD_NOT_ALLOWED):
    """The address exists but does not take this method."""


class RangeNotSatisfiable(RequestError, reason=Reason.RANGE_NOT_SATISFIABLE):
    """None of the bytes asked for exist: the entity has ``n_bytes``."""

    def __init__(self, message: str, n_bytes: int = 0) -> None:
        super().__init__(message, n_bytes)
        self.n_bytes = n_bytes


class ResultPending(RequestError, reason=Reason.RESULT_PENDING):
    """The job has not produced this result yet."""


class SourceUnreachable(MeetMemoError, reason=Reason.SOURCE_UNREACHABLE):
    """A source URL or key could not be read; ``may_come``: what is not there, or not given out, may be later."""

    def __init__(self, message: str, may_come: bool = False) -> None:
        super().__init__(message, may_come)
        self.may_come = may_come


class OptionError(MeetMemoError, reason=Reason.INVALID_OPTION):
    """A job option is unknown, unsupported or out of range."""


class InvalidSidecar(OptionError, reason=Reason.INVALID_SIDECAR):
    """The JSON file beside a recording cannot be read."""


class TemplateUnknown(OptionError, reason=Reason.TEMPLATE_UNKNOWN):
    """No template of that name is configured for the tenant."""


class TemplateInvalid(OptionError, reason=Reason.TEMPLATE_INVALID):
    """A template cannot be parsed, does what templates may not, or names what there is not."""


class ModelError(MeetMemoError):
    """A Whisper model cannot be used."""


class ModelUnknown(ModelError, reason=Reason.MODEL_UNKNOWN):
    """No model of that name is configured."""


class ModelUnavailable(ModelError, reason=Reason.MODEL_UNAVAILABLE):
    """The model's weights are missing, damaged or cannot be fetched."""


class TranscriptionFailed(MeetMemoError, reason=Reason.TRANSCRIPTION_FAILED):
    """No chunk of the recording could be transcribed."""


class TimedOut(MeetMemoError, reason=Reason.TIMED_OUT):
    """A step took longer than it may; the same step may succeed elsewhere or later."""


class ReplicaLost(MeetMemoError, reason=Reason.REPLICA_LOST):
    """The process that worked on something died, or cannot be reached."""


class DeviceLost(ReplicaLost):
    """The process can use its device no more, and must be replaced."""


class Draining(MeetMemoError, reason=Reason.DRAINING):
    """The cluster finishes what it has and takes nothing new."""


class StorageError(MeetMemoError):
    """The blob store did not do what it was asked."""


class BlobMissing(StorageError, reason=Reason.BLOB_MISSING):
    """No blob has that key."""


class AudioGone(BlobMissing, reason=Reason.AUDIO_GONE):
    """The recording is not kept, or not any more, or not as it is needed."""


class StoreUnavailable(StorageError, reason=Reason.STORE_UNAVAILABLE):
    """The blob store cannot be reached, is full or read-only."""


class StoreFull(StoreUnavailable, reason=Reason.INSUFFICIENT_STORAGE):
    """The blob store, or the folder where uploads are spooled, has no room left."""


class LedgerError(MeetMemoError):
    """The ledger did not do what it was asked."""


class LedgerUnavailable(LedgerError, reason=Reason.LEDGER_UNAVAILABLE):
    """The ledger cannot be reached or is locked."""


class JobUnknown(LedgerError, reason=Reason.JOB_UNKNOWN):
    """No job of this tenant has that id."""


class KeyUnknown(LedgerError, reason=Reason.KEY_UNKNOWN):
    """No API key has that id."""


class Fenced(LedgerError, reason=Reason.FENCED):
    """Another coordinator holds a newer lease; this one must stop writing."""


class VersionConflict(LedgerError, reason=Reason.VERSION_CONFLICT):
    """The job was written since this copy of it was read; read it again."""


class IdempotencyConflict(LedgerError, reason=Reason.IDEMPOTENCY_CONFLICT):
    """The idempotency key was used before with a different request."""


class ExternalIdConflict(LedgerError, reason=Reason.EXTERNAL_ID_CONFLICT):
    """The external id belongs to a job of another recording."""


class OnHold(LedgerError, reason=Reason.LEGAL_HOLD):
    """A legal hold keeps what was to be deleted; ``hold_id`` names it."""

    def __init__(self, message: str, hold_id: str = "") -> None:
        super().__init__(message, hold_id)
        self.hold_id = hold_id


class IllegalTransition(MeetMemoError, reason=Reason.ILLEGAL_TRANSITION):
    """The event does not apply to the job's state; the text holds the job's history."""


class Overloaded(MeetMemoError, reason=Reason.OVERLOADED):
    """A bounded queue is full; try again after ``retry_after_s`` seconds."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message, retry_after_s)
        self.retry_after_s = retry_after_s


class MinutesError(MeetMemoError, reason=Reason.MINUTES_FAILED):
    """The minutes could not be written; the transcript is unaffected."""


class MinutesParked(MinutesError):
    """The minutes cannot be written for now, but later, not before ``not_before_s`` (Unix seconds; 0: any time)."""

    def __init__(self, message: str, not_before_s: float = 0.0) -> None:
        super().__init__(message, not_before_s)
        self.not_before_s = not_before_s


class ConfigurationError(MeetMemoError, reason=Reason.INVALID_CONFIGURATION):
    """A setting is missing, unknown or contradictory."""


class InvalidOptions(OptionError):
    """Options that failed validation; ``errors`` holds (field, message) pairs."""

    def __init__(self, message: str, errors: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message, errors)
        self.errors = errors


def refused_option(name: str, why: str) -> InvalidOptions:
    """Return the error for one option."""
    return InvalidOptions(f"{name}: {why}", ((name, why),))
