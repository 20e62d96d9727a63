"""The table that both dashboards and their pictures are made from: one row per panel.

Ranges in queries are literal so that tests and Prometheus ask the same; all queries work whatever the scrape interval
up to a minute.
"""

from dataclasses import dataclass

NONE = "none"
"""What a panel says that has nothing to show."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One graph: a title and a sentence for people, Grafana's unit, and PromQL by legend (labels in double braces).

    ``kind`` is ``timeseries``, ``stat`` (a number as it is now) or ``name`` (the legends that are there now).
    """

    title: str
    description: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """A dashboard: rows of panels under headings."""

    uid: str
    title: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]


def _panel(title: str, description: str, unit: str, *queries: tuple[str, str], kind: str = "timeseries") -> Panel:
    return Panel(title=title, description=description, unit=unit, queries=queries, kind=kind)


def _quantile(q: float, family: str, by: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, sum by ({labels}) (rate({family}_bucket[5m])))"


SERVICE = Dashboard(
    uid="meetmemo-service",
    title="MeetMemo: service",
    rows=(
        (
            "Now",
            (
                _panel("Coordinator", "Whether the process that hands out all work answers.", "bool_on_off",
                       ("Coordinator", "meetmemo_coordinator_up"), kind="stat"),
                _panel("Transcribers", "Replicas that can decode now, by model.", "short",
                       ("{{model}}", "meetmemo_transcriber_replicas"), kind="stat"),
                _panel("Waiting minutes", "Jobs whose minutes wait until the language model answers again.",
                       "short", ("jobs", "meetmemo_parked_minutes"), kind="stat"),
                _panel("Version", "The version of MeetMemo that runs.", "none",
                       ("{{version}}", "meetmemo_build_info"), kind="name"),
            ),
        ),
        (
            "Work",
            (
                _panel("Open jobs", "Jobs that have not ended, by state.", "short",
                       ("{{state}}", 'meetmemo_jobs{state=~"queued|transcribing|summarizing"}')),
                _panel("Backlog", "Length of the speech that waits for a device, and of what devices have taken.", "s",
                       ("waiting: {{tenant_class}}, {{model}}", "meetmemo_backlog_audio_seconds"),
                       ("on devices: {{model}}", "meetmemo_leased_audio_seconds")),
                _panel("Age of the oldest open job", "Time since the oldest job that has not ended was submitted.", "s",
                       ("{{tenant_class}}, {{model}}", "meetmemo_oldest_job_age_seconds")),
                _panel("Jobs submitted, begun and ended", "Jobs per second, averaged over five minutes.", "cps",
                       ("submitted", "sum(rate(meetmemo_jobs_submitted_total[5m]))"),
                       ("begun", "sum(rate(meetmemo_jobs_begun_total[5m]))"),
                       ("{{state}}", "sum by (state) (rate(meetmemo_jobs_ended_total[5m]))")),
                _panel("Time from submission to result", "How long jobs took that succeeded: half of them were faster "
                       "than the median, 95 % faster than the upper line.", "s",
                       ("median, {{tenant_class}}", _quantile(0.5, "meetmemo_job_duration_seconds", "tenant_class")),
                       ("95 %, {{tenant_class}}", _quantile(0.95, "meetmemo_job_duration_seconds", "tenant_class"))),
                _panel("Late jobs", "Share of jobs that took longer than the objective allows, or failed by our fault.",
                       "percentunit",
                       ("last 5 min, {{tenant_class}}", "class:meetmemo_late:ratio_increase5m"),
                       ("last hour, {{tenant_class}}", "class:meetmemo_late:ratio_increase1h")),
                _panel("Error of estimates", "How far off the time was that a job would have been promised as it came, "
                       "as a share of the time that it took.", "percentunit",
                       ("median", "histogram_quantile(0.5, sum by (le) "
                                  "(rate(meetmemo_estimate_error_ratio_bucket[1h])))"),
                       ("95 %", "histogram_quantile(0.95, sum by (le) "
                                "(rate(meetmemo_estimate_error_ratio_bucket[1h])))")),
            ),
        ),
        (
            "Transcription",
            (
                _panel("Transcription speed", "Seconds of speech transcribed per second, of all devices together.",
                       "suffix:×",
                       ("{{model}}, mean of 5 min", "model:meetmemo_transcribed:rate5m"),
                       ("all models, while there was work", "meetmemo_speed_ratio")),
                _panel("Device time per time of speech", "What a device needs for a second of speech: 5 % is twenty "
                       "times real time.", "percentunit",
                       ("{{model}}", "model:meetmemo_device_real_time_factor:ratio_rate5m")),
                _panel("Device utilization", "Share of the time in which devices decode.", "percentunit",
                       ("{{model}}", "model:meetmemo_device_busy:ratio_rate5m")),
                _panel("Use of batches", "Rows of a batch that are taken, and the share of their windows that is "
                       "speech.", "percentunit",
                       ("rows, {{model}}", "model:meetmemo_batch_fill:ratio_rate5m"),
                       ("speech, {{model}}",
                        "sum by (model) (rate(meetmemo_batch_efficiency_ratio_sum[5m])) / "
                        "sum by (model) (rate(meetmemo_batch_efficiency_ratio_count[5m]))")),
                _panel("Time of a batch by step (95th percentile)",
                       "What 95 % of batches needed at most: reading the samples, waiting for the "
                       "device, decoding.", "s",
                       ("read, {{model}}", _quantile(0.95, "meetmemo_batch_read_seconds", "model")),
                       ("wait, {{model}}", _quantile(0.95, "meetmemo_batch_wait_seconds", "model")),
                       ("decode, {{model}}", _quantile(0.95, "meetmemo_batch_decode_seconds", "model"))),
                _panel("Doubtful speech", "Share of speech whose text breaks a rule of quality, and of rows that had "
                       "to be decoded again.", "percentunit",
                       ("doubtful, {{model}}", "model:meetmemo_suspect:ratio_increase1h"),
                       ("decoded again, {{model}}",
                        "sum by (model) (rate(meetmemo_fallback_rows_total[5m])) / "
                        "sum by (model) (rate(meetmemo_batch_rows_total[5m]))")),
                _panel("Chunks retried and given up", "Pieces of recordings that were queued again, by cause, and "
                       "those that were given up.", "cps",
                       ("retried: {{cause}}", "sum by (cause) (rate(meetmemo_chunk_retries_total[5m]))"),
                       ("given up", "sum(rate(meetmemo_chunks_quarantined_total[5m]))")),
                _panel("Time to cut a recording (95th percentile)",
                       "What 95 % of spans (five minutes) needed at most: decoding the file, and "
                       "finding speech in it.", "s",
                       ("decode the file", _quantile(0.95, "meetmemo_span_decode_seconds")),
                       ("find speech", _quantile(0.95, "meetmemo_span_vad_seconds"))),
            ),
        ),
        (
            "Minutes and storage",
            (
                _panel("Minutes by outcome", "Minutes per second, by what became of them.", "cps",
                       ("{{outcome}}", "sum by (outcome) (rate(meetmemo_minutes_total[5m]))")),
                _panel("Language model: calls", "Calls per second, by how they ended.", "cps",
                       ("{{outcome}}", "sum by (outcome) (rate(meetmemo_llm_calls_total[5m]))")),
                _panel("Language model: tokens", "Tokens per second that the provider counts.", "cps",
                       ("{{kind}}", "sum by (kind) (rate(meetmemo_llm_tokens_total[5m]))")),
                _panel("Language model: cost per hour", "US dollars per hour at the rate of the last five "
                       "minutes.", "currencyUSD",
                       ("all tenants", "3600 * rate(meetmemo_llm_cost_dollars_total[5m])")),
                _panel("Webhooks and e-mails", "Attempts per second, by their result.", "cps",
                       ("{{channel}}: {{state}}", "sum by (channel, state) (rate(meetmemo_deliveries_total[5m]))")),
                _panel("Time of a blob store call (95th percentile)", "What 95 % of calls needed at most.", "s",
                       ("{{actor}}: {{operation}}",
                        _quantile(0.95, "meetmemo_store_call_seconds", "actor, operation"))),
                _panel("Uploads on disk", "Uploads under way that lie on an endpoint's disk.", "bytes",
                       ("{{kind}}", "max by (kind) (meetmemo_spool_bytes)")),
                _panel("Storage within reach", "Whether the ledger and the blob store answer.", "bool_yes_no",
                       ("ledger", "meetmemo_ledger_up"), ("blob store", "meetmemo_store_up")),
            ),
        ),
    ),
)  # fmt: skip

_PROCESS = (
    "topk(8, sum by (process) (label_replace(ray_component_rss_bytes, "
    '"process", "$1", "Component", "(?:ray::)?(?:ServeReplica:)?(?:.*[:/])?([^:/.]+).*")))'
)

CLUSTER = Dashboard(
    uid="meetmemo-cluster",
    title="MeetMemo: cluster and devices",
    rows=(
        (
            "Nodes",
            (
                _panel("Processor", "Use of each node's processors.", "percent",
                       ("{{ip}}", "ray_node_cpu_utilization")),
                _panel("Memory", "Use of each node's memory.", "percentunit",
                       ("{{ip}}", "ray_node_mem_used / ray_node_mem_total")),
                _panel("Disk", "Use of the disk that Ray writes to.", "percent",
                       ("{{ip}}", "ray_node_disk_utilization_percentage")),
                _panel("Network", "What each node receives and sends.", "Bps",
                       ("in, {{ip}}", "ray_node_network_receive_speed"),
                       ("out, {{ip}}", "ray_node_network_send_speed")),
                _panel("Processors given to replicas", "Processors that Ray has reserved for replicas, and those that "
                       "it could still reserve.", "short",
                       ("reserved", 'sum(ray_resources{Name="CPU",State="USED"})'),
                       ("free", 'sum(ray_resources{Name="CPU",State="AVAILABLE"})')),
                _panel("Memory by process", "The eight kinds of processes with most resident memory.", "bytes",
                       ("{{process}}", _PROCESS)),
            ),
        ),
        (
            "Replicas",
            (
                _panel("Replicas that run", "Healthy replicas of each deployment.", "short",
                       ("{{deployment}}", "sum by (deployment) (ray_serve_deployment_replica_healthy)")),
                _panel("Replicas that the autoscaler wants", "What the load calls for, of each deployment.",
                       "short",
                       ("{{deployment}}", "sum by (deployment) (ray_serve_autoscaling_target_replicas)")),
                _panel("Requests under way", "Calls that replicas are working on.", "short",
                       ("{{deployment}}", "sum by (deployment) (ray_serve_replica_processing_queries)")),
                _panel("Replicas started in half an hour", "More than the load explains: something makes them fall "
                       "over.", "short",
                       ("{{deployment}}",
                        "sum by (deployment) (increase(ray_serve_replica_startup_latency_ms_count[30m]))")),
                _panel("HTTP requests", "Requests per second at the endpoint, by method.", "reqps",
                       ("{{method}}", "sum by (method) (rate(ray_serve_num_http_requests_total[5m]))")),
                _panel("Device utilization", "Share of the time in which devices decode.", "percentunit",
                       ("{{model}}", "model:meetmemo_device_busy:ratio_rate5m")),
                _panel("Models", "Models that are loaded, on which device, in which arithmetic.", "none",
                       ("{{model}} on {{device}}, {{compute_type}}", 'meetmemo_model{device!=""}'), kind="name"),
                _panel("Number of the lease", "Grows by one with each Coordinator that takes over.", "none",
                       ("lease", "meetmemo_lease_fence"), kind="stat"),
            ),
        ),
    ),
)  # fmt: skip

DASHBOARDS = (SERVICE, CLUSTER)
