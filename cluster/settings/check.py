"""All faults of a settings file at once, each with its line.

A setting is found in the file by its path (``models.0.name``); a fault of something that is not in the file has the
line of the section around it, or none where a variable or a default is to blame.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import ValidationError

from cluster.settings.secrets import SECRETS
from cluster.settings.settings import Settings, settings_of
from pipelines.errors import ConfigurationError
from pipelines.validation import faults

_NAMED = re.compile(r"[a-z_]+(?:\.\w+)*")
Lines = Mapping[tuple[str, ...], int]


@dataclass(frozen=True, kw_only=True)
class SettingFault:
    """One thing that is wrong; ``line`` counts from 1, 0: it is not in the file. ``setting`` "": the whole."""

    setting: str
    message: str
    line: int = 0

    def told(self, path: Path | None) -> str:
        """Return the fault as compilers write it: ``config.yaml:7: http.port: must be a number``."""
        place = f"{path}:{self.line}: " if path and self.line else ""
        return place + (f"{self.setting}: {self.message}" if self.setting else self.message)


Complaints = Callable[[Settings], Iterator[tuple[str, str]]]


def check_settings(path: Path | None, env: Mapping[str, str], complaints: Complaints) -> list[SettingFault]:
    """Return the faults of a file and an environment together; ``complaints`` names a section and what it lacks.

    These are asked for where all values are right.
    """
    lines: dict[tuple[str, ...], int] = {}
    found: list[SettingFault] = []
    if path is not None:
        try:
            found += _of_text(path.read_text(encoding="utf-8"), lines)
        except (OSError, UnicodeDecodeError) as error:
            return [SettingFault(setting="", message=f"The settings file {path} cannot be read: {error}")]
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            return [SettingFault(setting="", message=f"is no YAML: {error.problem}", line=mark.line + 1 if mark else 0)]
        if found:
            return found
    try:
        settings = settings_of(path, env)
    except ValidationError as error:
        for fault in faults(error.errors(include_url=False), called="setting"):
            named = _NAMED.match(fault.message) if not fault.field else None
            place = fault.field or (named[0] if named else "")
            found.append(SettingFault(setting=fault.field, message=fault.message, line=_line_of(place, lines)))
        return found
    except ConfigurationError as error:
        return [SettingFault(setting="", message=str(error))]
    return [
        SettingFault(setting=section, message=message, line=_line_of(section, lines))
        for section, message in complaints(settings)
    ]


def _of_text(text: str, lines: dict[tuple[str, ...], int]) -> Iterator[SettingFault]:
    """Yield what is wrong with a file as such; fill in the line of every path. Raises ``yaml.MarkedYAMLError``."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is None:
        return
    if not isinstance(root, yaml.MappingNode):
        yield SettingFault(setting="", message="must hold names and values", line=root.start_mark.line + 1)
        return
    yield from _walk(root, (), lines)
    for name in sorted(set(SECRETS.values())):
        if (name,) in lines:
            yield SettingFault(setting=name, message="secrets come from the environment", line=lines[(name,)])


def _walk(node: yaml.Node, place: tuple[str, ...], lines: dict[tuple[str, ...], int]) -> Iterator[SettingFault]:
    """Fill in the lines of a node's parts; yield names that are given twice, of which YAML takes the last."""
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            below = (*place, str(name.value))
            if below in lines:
                first = lines[below]
                yield SettingFault(
                    setting=".".join(below),
                    message=f"is given twice, first in line {first}",
                    line=name.start_mark.line + 1,
                )
            lines[below] = name.start_mark.line + 1
            yield from _walk(value, below, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            below = (*place, str(index))
            lines[below] = value.start_mark.line + 1
            yield from _walk(value, below, lines)


def _line_of(setting: str, lines: Lines) -> int:
    """Return the line of a setting, or of the nearest section around it; 0 where none is in the file."""
    place = tuple(setting.split("."))
    while place:
        if place in lines:
            return lines[place]
        place = place[:-1]
    return 0
