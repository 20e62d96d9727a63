"""Estimate when work that is not submitted yet would be done, and learn from jobs that ended how far off that was.

1. `queue_s` reckons how long the cluster needs at its present speed until a tenant's next recording is transcribed, by
   the rules of `pipelines.scheduling.fair_queue`.
2. `Estimator.record` takes what that came to for each job that ended, and how long the job took in truth.
3. `Estimator.estimate` corrects the reckoning by what was learned: ``offset_s + factor * queue_s``.

Pure: the caller gives times. Seconds of audio are those of `pipelines.jobs.job.Progress`: each channel of split ones.
"""

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

REMEMBERED_JOBS = 64
"""Estimates are learned from so many of the last jobs: enough for a median, few enough to follow a change."""

REFIT_SHARE = 8
"""The correction is fitted anew when one in so many of the remembered jobs is new: fitting takes half a millisecond."""

UNKNOWN_AUDIO_S = 600.0
"""Length of a queued recording while no job has ended yet."""

_ROUNDS = 12  # of reweighting; the fit of 64 points does not move any more after about eight
_PRIOR_WEIGHT = 0.5  # of the uncorrected reckoning, in jobs
_PRIOR_OFFSET_S = 5.0
_FACTORS = (0.05, 20.0)


@dataclass(frozen=True, kw_only=True)
class WaitingWork:
    """Work of a tenant that has not ended: audio seconds of one begun job, or of all its ``queued`` ones together."""

    tenant: str
    audio_s: float
    economy: bool = False
    queued: bool = False


@dataclass(frozen=True, kw_only=True)
class Load:
    """The work under way, and audio seconds per second lately (0 while nothing was measured)."""

    work: tuple[WaitingWork, ...] = ()
    speed: float = 0.0

    @property
    def audio_s(self) -> float:
        """Audio seconds of all work."""
        return sum(each.audio_s for each in self.work)

    def __add__(self, other: "Load") -> "Load":
        """Return both together, on all devices of both."""
        return Load(work=(*self.work, *other.work), speed=self.speed + other.speed)


NO_LOAD = Load()


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a recording would take: seconds until it is done, and of the device; None while nothing was measured.

    ``typical_error`` is the median of how far off (as a share of the truth) estimates of the last jobs were.
    """

    wall_s: float | None
    device_s: float | None
    typical_error: float | None = None


def queue_s(load: Load, *, tenant: str, audio_s: float, economy: bool = False) -> float | None:
    """Return seconds until a recording that is submitted now is transcribed; None while the speed is unknown.

    The jobs of a tenant that are begun share what it gets, those that wait come before it; tenants share the machine:
    until the tenant has got its part, each other one gets as much, or all that it has. Economy work comes last.
    """
    if load.speed <= 0:
        return None
    own = [each for each in load.work if each.tenant == tenant and each.economy == economy]
    waits = any(each.queued for each in own)
    ahead_s = sum(each.audio_s if waits else min(each.audio_s, audio_s) for each in own)
    part_s = ahead_s + audio_s
    others: defaultdict[str, float] = defaultdict(float)
    first_s = 0.0
    for each in load.work:
        if economy and not each.economy:
            first_s += each.audio_s
        elif each.economy == economy and each.tenant != tenant:
            others[each.tenant] += each.audio_s
    return (first_s + part_s + sum(min(other_s, part_s) for other_s in others.values())) / load.speed


@dataclass(kw_only=True)
class Estimator:
    """Learns from the last jobs. Belongs to one event loop."""

    _samples: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=REMEMBERED_JOBS))
    _errors: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED_JOBS))
    _lengths_s: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED_JOBS))
    _device: defaultdict[str, deque[tuple[float, float]]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=REMEMBERED_JOBS))
    )
    _fitted: tuple[float, float] = (0.0, 1.0)
    _n_since: int = 0

    def estimate(self, load: Load, *, tenant: str, model: str, audio_s: float, economy: bool = False) -> Estimate:
        """Estimate what a recording would take that is submitted now."""
        reckoned_s = queue_s(load, tenant=tenant, audio_s=audio_s, economy=economy)
        return Estimate(
            wall_s=None if reckoned_s is None else self._corrected(reckoned_s),
            device_s=self._device_s(model, audio_s),
            typical_error=self.typical_error,
        )

    def record(self, *, reckoned_s: float | None, took_s: float, given: bool = True) -> float | None:
        """Take in the reckoning for a job that ended, and the seconds that it took.

        Returns how far off the estimate was, as a share of the truth; None where none could be ``given`` then: what was
        reckoned afterwards is learned from, and is no success.
        """
        if reckoned_s is None or reckoned_s <= 0 or took_s <= 0:
            return None
        error = abs(self._corrected(reckoned_s) - took_s) / took_s
        self._samples.append((reckoned_s, took_s))
        self._n_since += 1
        if not given:
            return None
        self._errors.append(error)
        return error

    def record_usage(self, *, model: str, audio_s: float, device_s: float) -> None:
        """Take in a job's length, and what it took of the device."""
        if audio_s > 0:
            self._lengths_s.append(audio_s)
            self._device[model].append((audio_s, device_s))

    @property
    def typical_error(self) -> float | None:
        """Median of how far off the last estimates were, as shares of the truth; None before the first."""
        return median(self._errors) if self._errors else None

    @property
    def mean_audio_s(self) -> float:
        """Mean length of the last recordings; what is reckoned for one that waits and was not looked at."""
        return sum(self._lengths_s) / len(self._lengths_s) if self._lengths_s else UNKNOWN_AUDIO_S

    def _device_s(self, model: str, audio_s: float) -> float | None:
        known = self._device.get(model)
        if not known:
            return None
        return audio_s * sum(device_s for _, device_s in known) / sum(heard_s for heard_s, _ in known)

    def _corrected(self, reckoned_s: float) -> float:
        if self._n_since * REFIT_SHARE >= max(len(self._samples), 1):
            self._fitted, self._n_since = fit(self._samples), 0
        offset_s, factor = self._fitted
        return offset_s + factor * reckoned_s


def fit(samples: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return ``offset_s`` and ``factor`` with which ``offset_s + factor * x`` comes closest to y, for pairs (x, y).

    Closest is the least sum of absolute errors as shares of y, by iteratively reweighted least squares: a job that
    took ten times as long as all others does not move it. Few samples are held near an offset of 0 and a factor of 1.
    """
    offset_s, factor = 0.0, 1.0
    for _ in range(_ROUNDS):
        # The normal equations of sum w (a + c x - y)^2 / y^2, with the prior's.
        s_aa, s_ac, s_cc = _PRIOR_WEIGHT / _PRIOR_OFFSET_S**2, 0.0, _PRIOR_WEIGHT
        s_ay, s_cy = 0.0, _PRIOR_WEIGHT
        for x, y in samples:
            weight = 1.0 / max(abs(offset_s + factor * x - y) / y, 0.02) / y**2
            s_aa += weight
            s_ac += weight * x
            s_cc += weight * x * x
            s_ay += weight * y
            s_cy += weight * x * y
        determinant = s_aa * s_cc - s_ac * s_ac
        offset_s = (s_ay * s_cc - s_cy * s_ac) / determinant
        factor = (s_cy * s_aa - s_ay * s_ac) / determinant
        if offset_s < 0:
            offset_s, factor = 0.0, s_cy / s_cc
        factor = min(max(factor, _FACTORS[0]), _FACTORS[1])
    return offset_s, factor
