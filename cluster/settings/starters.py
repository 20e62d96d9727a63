"""Settings files to begin with, one for each kind of place: what is usually changed, with the reason beside it."""

from typing import Literal

Place = Literal["laptop", "server", "cluster"]

_HEAD = """\
# Settings of MeetMemo, made by `meetmemo init {place}`. `meetmemo config check` names every fault with its line.
# All settings: docs/reference/settings.md; for editors: `meetmemo config schema > meetmemo.schema.json`, and
# yaml-language-server: $schema=meetmemo.schema.json
# Keys and passwords never stand here: they come from the environment, from files that variables named ..._FILE name, or
# from `.env` beside where `meetmemo up` is started.
"""

_LAPTOP = """
http:
  host: 127.0.0.1 # this machine only
  port: 8000

models:
  # mini-en comes along and knows synthetic voices only. For real recordings: `meetmemo models pull base`, then
  # - name: base
  - name: mini-en

ray:
  num_cpus: 0 # 0: all; fewer leave room for other work
  niceness: 10 # 0 to 19; whoever works at this machine goes first

minutes:
  writer: auto # the language model where DEEPSEEK_API_KEY is set, else by rules
"""

_SERVER = """
home: /var/lib/meetmemo # ledger, recordings, models and logs; a folder of the user that runs MeetMemo

http:
  host: 0.0.0.0 # everybody who reaches the machine; needs auth
  port: 8000
  # public_url: https://memo.example.org # the address behind a proxy with TLS

auth:
  mode: keys # `meetmemo keys create` makes the first one

models:
  # `meetmemo models pull large-v3-turbo` fetches it.
  - name: large-v3-turbo
    device: cuda
    gpus_per_replica: 1 # one replica owns one GPU; 0.5 puts two on each
    max_replicas: 1 # as many as there are GPUs

limits:
  max_upload_mb: 4096
  max_waiting_jobs: 10000 # of each tenant

retention:
  results_days: 90 # 0: for ever
  audio_days: 30 # copies of recordings that jobs asked to keep

log:
  format: json
"""

_CLUSTER = """
home: /var/lib/meetmemo # on every node: spool, models and logs
ledger_url: postgresql+psycopg://meetmemo@postgres/meetmemo # the password: PGPASSWORD
store_url: s3://meetmemo?endpoint=https://store.example.org # credentials: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY

http:
  host: 0.0.0.0
  port: 8000
  # public_url: https://memo.example.org

auth:
  mode: keys

models:
  # The same folder on every node with a GPU.
  - name: large-v3-turbo
    path: /models/large-v3-turbo
    device: cuda
    gpus_per_replica: 1
    max_replicas: 4

ray:
  address: auto # the Ray cluster that this machine belongs to; `meetmemo up --address` says another
  cpu_labels: { meetmemo-node: cpu } # what needs no GPU stays off the GPU nodes

retention:
  results_days: 90

log:
  format: json
"""

STARTERS: dict[Place, str] = {
    "laptop": _HEAD.format(place="laptop") + _LAPTOP,
    "server": _HEAD.format(place="server") + _SERVER,
    "cluster": _HEAD.format(place="cluster") + _CLUSTER,
}
"""A settings file for each place; each is valid as it is, models and servers apart."""
