"""Names of a panel's series, as people read them."""

import re
from collections.abc import Mapping

ENUMERATED = frozenset({"state", "cause", "outcome", "kind", "channel", "actor", "operation"})
"""Labels whose values are words of the code, such as ``minutes_writer``: their underscores are read as spaces."""
_LABEL = re.compile(r"\{\{(\w+)\}\}")


def labels_of(legend: str) -> frozenset[str]:
    """Return the labels that a legend names."""
    return frozenset(_LABEL.findall(legend))


def named(legend: str, metric: Mapping[str, str]) -> str:
    """Return the legend of a series with these labels."""

    def value(label: re.Match[str]) -> str:
        found = metric.get(label[1], "")
        return found.replace("_", " ") if label[1] in ENUMERATED else found

    return _LABEL.sub(value, legend)
