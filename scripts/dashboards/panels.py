"""The table that both dashboards and their pictures are made from: one row per panel.

Ranges in queries are literal so that tests and Prometheus ask the same; all queries work whatever the scrape interval
up to a minute.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One graph: a title, Grafana's unit, and PromQL by legend (labels in double braces)."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """A dashboard: rows of panels under headings."""

    uid: str
    title: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]


def _panel(title: str, unit: str, *queries: tuple[str, str], kind: str = "timeseries") -> Panel:
    return Panel(title=title, unit=unit, queries=queries, kind=kind)


def _quantile(q: float, family: str, by: str) -> str:
    return f"histogram_quantile({q}, sum by (le, {by}) (rate({family}_bucket[5m])))"


SERVICE = Dashboard(
    uid="meetmemo-service",
    title="MeetMemo: service",
    rows=(
        (
            "Now",
            (
                _panel("Coordinator", "bool_on_off", ("up", "meetmemo_coordinator_up"), kind="stat"),
                _panel("Replicas", "short", ("{{model}}", "meetmemo_transcriber_replicas"), kind="stat"),
                _panel("Parked minutes", "short", ("jobs", "meetmemo_parked_minutes"), kind="stat"),
                _panel("Version", "short", ("{{version}}", "meetmemo_build_info"), kind="stat"),
            ),
        ),
        (
            "Work",
            (
                _panel("Jobs that have not ended", "short",
                       ("{{state}}", 'meetmemo_jobs{state=~"queued|transcribing|summarizing"}')),
                _panel("Backlog", "s",
                       ("{{tenant_class}} {{model}}", "meetmemo_backlog_audio_seconds"),
                       ("on devices, {{model}}", "meetmemo_leased_audio_seconds")),
                _panel("Oldest job", "s", ("{{tenant_class}} {{model}}", "meetmemo_oldest_job_age_seconds")),
                _panel("Arrivals and ends", "cps",
                       ("submitted", "sum(rate(meetmemo_jobs_submitted_total[5m]))"),
                       ("begun", "sum(rate(meetmemo_jobs_begun_total[5m]))"),
                       ("{{state}}", "sum by (state) (rate(meetmemo_jobs_ended_total[5m]))")),
                _panel("Submission to success", "s",
                       ("half of {{tenant_class}}", _quantile(0.5, "meetmemo_job_duration_seconds", "tenant_class")),
                       ("95 % of {{tenant_class}}", _quantile(0.95, "meetmemo_job_duration_seconds", "tenant_class"))),
                _panel("Jobs that missed the objective", "percentunit",
                       ("{{tenant_class}}, 5 m", "class:meetmemo_late:ratio_increase5m"),
                       ("{{tenant_class}}, 1 h", "class:meetmemo_late:ratio_increase1h")),
            ),
        ),
        (
            "Transcription",
            (
                _panel("Speech per second", "short",
                       ("{{model}}", "model:meetmemo_transcribed:rate5m"), ("lately", "meetmemo_speed_ratio")),
                _panel("Real-time factor on the device", "short",
                       ("{{model}}", "model:meetmemo_device_real_time_factor:ratio_rate5m")),
                _panel("Share of time that devices decode", "percentunit",
                       ("{{model}}", "model:meetmemo_device_busy:ratio_rate5m")),
                _panel("Batches", "percentunit",
                       ("fill, {{model}}", "model:meetmemo_batch_fill:ratio_rate5m"),
                       ("speech in windows, {{model}}",
                        "sum by (model) (rate(meetmemo_batch_efficiency_ratio_sum[5m])) / "
                        "sum by (model) (rate(meetmemo_batch_efficiency_ratio_count[5m]))")),
                _panel("A batch's way", "s",
                       ("read, 95 %", _quantile(0.95, "meetmemo_batch_read_seconds", "model")),
                       ("wait, 95 %", _quantile(0.95, "meetmemo_batch_wait_seconds", "model")),
                       ("decode, 95 %", _quantile(0.95, "meetmemo_batch_decode_seconds", "model"))),
                _panel("Quality", "percentunit",
                       ("suspect, {{model}}", "model:meetmemo_suspect:ratio_increase1h"),
                       ("sampled rows, {{model}}",
                        "sum by (model) (rate(meetmemo_fallback_rows_total[5m])) / "
                        "sum by (model) (rate(meetmemo_batch_rows_total[5m]))")),
                _panel("Retries and quarantine", "cps",
                       ("retries: {{cause}}", "sum by (cause) (rate(meetmemo_chunk_retries_total[5m]))"),
                       ("given up", "sum(rate(meetmemo_chunks_quarantined_total[5m]))")),
                _panel("Segmentation of a span", "s",
                       ("decode, 95 %", "histogram_quantile(0.95, sum by (le) "
                                        "(rate(meetmemo_span_decode_seconds_bucket[5m])))"),
                       ("voice activity, 95 %", "histogram_quantile(0.95, sum by (le) "
                                                "(rate(meetmemo_span_vad_seconds_bucket[5m])))")),
            ),
        ),
        (
            "Minutes and storage",
            (
                _panel("Minutes", "cps", ("{{outcome}}", "sum by (outcome) (rate(meetmemo_minutes_total[5m]))")),
                _panel("Language model", "cps",
                       ("{{outcome}}", "sum by (outcome) (rate(meetmemo_llm_calls_total[5m]))")),
                _panel("Tokens", "cps", ("{{kind}}", "sum by (kind) (rate(meetmemo_llm_tokens_total[5m]))")),
                _panel("Dollars per hour", "currencyUSD",
                       ("all tenants", "3600 * rate(meetmemo_llm_cost_dollars_total[5m])")),
                _panel("Webhooks and e-mails", "cps",
                       ("{{channel}} {{state}}", "sum by (channel, state) (rate(meetmemo_deliveries_total[5m]))")),
                _panel("Store calls, 95 %", "s",
                       ("{{actor}} {{operation}}", _quantile(0.95, "meetmemo_store_call_seconds", "actor, operation"))),
                _panel("Uploads on the spool disk", "bytes", ("{{kind}}", "max by (kind) (meetmemo_spool_bytes)")),
                _panel("Storage reached", "bool_on_off",
                       ("ledger", "meetmemo_ledger_up"), ("store", "meetmemo_store_up")),
            ),
        ),
    ),
)  # fmt: skip

CLUSTER = Dashboard(
    uid="meetmemo-cluster",
    title="MeetMemo: cluster and devices",
    rows=(
        (
            "Nodes",
            (
                _panel("Processor", "percent", ("{{ip}}", "ray_node_cpu_utilization")),
                _panel("Memory", "percentunit", ("{{ip}}", "ray_node_mem_used / ray_node_mem_total")),
                _panel("Disk", "percent", ("{{ip}}", "ray_node_disk_utilization_percentage")),
                _panel("Network", "Bps",
                       ("in, {{ip}}", "ray_node_network_receive_speed"),
                       ("out, {{ip}}", "ray_node_network_send_speed")),
                _panel("CPUs that Ray gave out", "short",
                       ("{{State}}", 'sum by (State) (ray_resources{Name="CPU"})')),
                _panel("Memory by process", "bytes",
                       ("{{Component}}", "topk(8, sum by (Component) (ray_component_rss_bytes))")),
            ),
        ),
        (
            "Replicas",
            (
                _panel("Healthy", "short",
                       ("{{deployment}}", "sum by (deployment) (ray_serve_deployment_replica_healthy)")),
                _panel("Wanted by the autoscaler", "short",
                       ("{{deployment}}", "sum by (deployment) (ray_serve_autoscaling_target_replicas)")),
                _panel("Calls in hand", "short",
                       ("{{deployment}}", "sum by (deployment) (ray_serve_replica_processing_queries)")),
                _panel("Started in half an hour", "short",
                       ("{{deployment}}",
                        "sum by (deployment) (increase(ray_serve_replica_startup_latency_ms_count[30m]))")),
                _panel("HTTP requests", "reqps",
                       ("{{method}}", "sum by (method) (rate(ray_serve_num_http_requests_total[5m]))")),
                _panel("Time that each device decodes", "percentunit",
                       ("{{model}}", "model:meetmemo_device_busy:ratio_rate5m")),
                _panel("Model", "short", ("{{model}} {{device}} {{compute_type}}", "meetmemo_model"), kind="stat"),
                _panel("Lease", "short", ("fence", "meetmemo_lease_fence"), kind="stat"),
            ),
        ),
    ),
)  # fmt: skip

DASHBOARDS = (SERVICE, CLUSTER)
