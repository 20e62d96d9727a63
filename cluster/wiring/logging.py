"""Logs: events with fields, JSON on a cluster, readable on a terminal. Traces, where settings say where to."""

import logging
import sys
from pathlib import Path

import structlog
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter

from cluster import __version__
from cluster.settings.sections import LogSettings, TraceSettings
from cluster.settings.settings import Settings
from deployments.telemetry import tracing
from pipelines.errors import ConfigurationError

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def observe(settings: Settings) -> None:
    """Set up logs and traces for this process; call it once at the start of every replica."""
    configure_logging(settings.log)
    configure_tracing(settings.traces)


def configure_tracing(settings: TraceSettings) -> TracerProvider | None:
    """Send this process's spans where the settings say; return what takes them there, None where nothing is traced.

    Raises `ConfigurationError` when the exporter is not there.
    """
    exporter: SpanExporter
    if settings.endpoint:
        exporter = _otlp(settings.endpoint)
    elif settings.file:
        exporter = _Lines(settings.file)
    else:
        tracing.use(None)
        return None
    resource = Resource.create({"service.name": "meetmemo", "service.version": __version__})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
    tracing.use(provider)
    return provider


def _otlp(endpoint: str) -> SpanExporter:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        raise ConfigurationError(
            "traces.endpoint is set, but its exporter is not installed: pip install 'meetmemo[otel]'"
        ) from None
    return OTLPSpanExporter(endpoint=endpoint)


class _Lines(ConsoleSpanExporter):
    """Exports spans as JSON lines to a file of its own."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"traces.file {path} cannot be written: {error.strerror}") from None
        super().__init__(out=self._file, formatter=lambda span: span.to_json(indent=None) + "\n")

    def shutdown(self) -> None:
        self._file.close()


def configure_logging(settings: LogSettings) -> None:
    """Set up structlog for this process; call it once at the start of every process."""
    renderer: structlog.typing.Processor
    if settings.format == "json":
        renderer = structlog.processors.JSONRenderer()
    else:
        # Plain tracebacks: rich ones print local variables, which may hold source URLs, and take seconds.
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([structlog.processors.format_exc_info] if settings.format == "json" else []),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[settings.level]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),  # in a replica Serve has a `print` of its own
    )
