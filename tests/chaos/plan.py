"""What a chaos run does, drawn from a seed: which recordings, which kills, and after how many ended jobs. Pure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Victim(StrEnum):
    """What can be killed. `LEDGER` is the database server, restarted without a shutdown; `HANG` is stopped only.

    `LEASE` is a Coordinator that loses its lease while it works, and must be replaced.
    """

    TRANSCRIBER = "Transcriber"
    SEGMENTER = "Segmenter"
    DIARIZER = "Diarizer"
    MINUTES_WRITER = "MinutesWriter"
    COORDINATOR = "Coordinator"
    LEASE = "lease"
    INGESTION = "Ingestion"
    CONTROLLER = "ServeController"
    NODE = "node"
    LEDGER = "ledger"
    HANG = "hanging Transcriber"
    CLUSTER = "cluster"


TITLES = {
    Victim.HANG: "ray::ServeReplica:meetmemo:Transcriber-",
    Victim.TRANSCRIBER: "ray::ServeReplica:meetmemo:Transcriber-",
    Victim.SEGMENTER: "ray::ServeReplica:meetmemo:Segmenter",
    Victim.DIARIZER: "ray::ServeReplica:meetmemo:Diarizer",
    Victim.MINUTES_WRITER: "ray::ServeReplica:meetmemo:MinutesWriter",
    Victim.COORDINATOR: "ray::ServeReplica:meetmemo:Coordinator",
    Victim.LEASE: "ray::ServeReplica:meetmemo:Coordinator",
    Victim.INGESTION: "ray::ServeReplica:meetmemo:Ingestion",
    Victim.CONTROLLER: "ray::ServeController",
}
"""How the command line of each victim that is one process begins."""


@dataclass(frozen=True, kw_only=True)
class Kill:
    """One kill: once ``after_ended`` jobs of the run have ended, and ``pause_s`` seconds later."""

    victim: Victim
    after_ended: int
    pause_s: float


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One job: a recording's file name, its seconds of sound over all channels that are transcribed, its form fields.

    Equal jobs have equal transcripts.
    """

    recording: str
    audio_s: float
    options: tuple[tuple[str, str], ...] = ()


MIX = (
    (Submission(recording="short.mp3", audio_s=11.3), 40),
    (Submission(recording="short.mp3", audio_s=11.3, options=(("word_timestamps", "true"),)), 4),
    (Submission(recording="short.mp3", audio_s=11.3, options=(("diarize", "auto"),)), 8),
    (Submission(recording="call-8khz-ulaw.wav", audio_s=21.0), 6),
    (Submission(recording="call-stereo.opus", audio_s=168.0, options=(("channels", "split"),)), 0),
    (Submission(recording="meeting-3min.flac", audio_s=185.0), 0),
)
"""What is sent, and how often in proportion; each at least once."""

CALM_SHARE = 8


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The jobs in the order they are sent and the kills in the order they happen; the last one is the cluster's.

    ``calm``: the jobs of the undisturbed run, an eighth of ``submissions``, each kind at least once.
    """

    seed: int
    calm: tuple[Submission, ...]
    submissions: tuple[Submission, ...]
    kills: tuple[Kill, ...]


def make_plan(seed: int, n_jobs: int, victims: Sequence[Victim], rounds: int = 1) -> Plan:
    """Draw a plan in which every victim is killed ``rounds`` times, and then, once, the whole cluster.

    Raises ``ValueError`` for fewer jobs than there are kinds of them.
    """
    if n_jobs < len(MIX):
        raise ValueError(f"a plan needs at least {len(MIX)} jobs")
    draw = random.Random(seed)
    kinds, weights = [kind for kind, _ in MIX], [weight for _, weight in MIX]
    submissions = [*kinds, *draw.choices(kinds, weights, k=n_jobs - len(kinds))]
    draw.shuffle(submissions)
    singles = [victim for victim in victims if victim is not Victim.CLUSTER] * rounds
    draw.shuffle(singles)
    singles.sort(key=lambda victim: victim is not Victim.HANG)  # first: nobody else may end it before Serve does
    # The cluster dies with at least a fifth of the work undone, everything else before.
    last = round(n_jobs * draw.uniform(0.7, 0.8))
    moments = sorted(draw.randrange(last) for _ in singles)
    kills = [
        Kill(victim=victim, after_ended=after, pause_s=draw.uniform(0.0, 2.0))
        for victim, after in zip(singles, moments, strict=True)
    ]
    kills.append(Kill(victim=Victim.CLUSTER, after_ended=last, pause_s=draw.uniform(0.0, 2.0)))
    calm = (*kinds, *submissions[: max(0, n_jobs // CALM_SHARE - len(kinds))])
    return Plan(seed=seed, calm=calm, submissions=tuple(submissions), kills=tuple(kills))
