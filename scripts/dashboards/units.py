"""Values as people read them, by the units of Grafana that the dashboards use."""

import math
from bisect import bisect_right

_SECONDS = ((0.0, 0.001, "ms"), (1.0, 1.0, "s"), (60.0, 60.0, "min"), (3600.0, 3600.0, "h"), (86400.0, 86400.0, "d"))
_BYTES = tuple((1024.0**power if power else 0.0, 1024.0**power, f"{sign}B") for power, sign in
               enumerate(("", "Ki", "Mi", "Gi", "Ti")))  # fmt: skip
_BYTES_PER_SECOND = tuple((1000.0**power if power else 0.0, 1000.0**power, f"{sign}B/s") for power, sign in
                          enumerate(("", "k", "M", "G")))  # fmt: skip
_SCALED = {"s": _SECONDS, "bytes": _BYTES, "Bps": _BYTES_PER_SECOND}
_NAMED = {"cps": " c/s", "reqps": " req/s", "percent": " %", "percentunit": " %", "short": "", "none": ""}
_WORDS = {"bool_on_off": ("off", "on"), "bool_yes_no": ("no", "yes")}
_CUSTOM = "suffix:"


def is_known(unit: str) -> bool:
    """Return whether `written` knows Grafana's unit."""
    return unit in _SCALED or unit in _NAMED or unit in _WORDS or unit == "currencyUSD" or unit.startswith(_CUSTOM)


def is_whole(unit: str) -> bool:
    """Return whether values of the unit are counts of things, or yes and no."""
    return unit in _WORDS or unit in ("short", "none")


def written(value: float, unit: str) -> str:
    """Return the value with its unit, in at most three digits; raises `KeyError` for a unit that is not known."""
    if unit in _WORDS:
        return _WORDS[unit][int(value)] if value in (0, 1) else ""
    if unit == "currencyUSD":
        return f"${value:.2f}"
    if unit.startswith(_CUSTOM):
        return _number(value) + unit.removeprefix(_CUSTOM)
    if unit in _SCALED:
        if value == 0:
            return "0 s" if unit == "s" else f"0 {_SCALED[unit][0][2]}"
        steps = _SCALED[unit]
        _, divisor, sign = steps[max(0, bisect_right([least for least, _, _ in steps], value) - 1)]
        return f"{_number(value / divisor)} {sign}"
    return _number(value * 100 if unit == "percentunit" else value) + _NAMED[unit]


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def steps(highest: float, unit: str) -> list[float]:
    """Return where an axis from 0 to that value is marked, at most five times."""
    if unit in _WORDS:
        return [0.0, 1.0]
    scale = {"percentunit": 0.01, "bytes": 1.0}.get(unit, 1.0)
    if unit in ("s", "bytes"):
        scale = max((divisor for least, divisor, _ in _SCALED[unit] if least <= highest), default=scale)
    wanted = max(highest / scale / 4, 1e-9)
    if unit == "bytes":
        step = 2.0 ** math.ceil(math.log2(wanted))
    else:
        power = 10.0 ** math.floor(math.log10(wanted))
        step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= wanted * 0.999)
    if is_whole(unit):
        step = max(1.0, float(math.ceil(step)))
    return [index * step * scale for index in range(6) if index * step * scale <= highest * 1.0001]
