"""Find the JSON in a language model's answer: models think aloud, repeat the example, draft, and fence what they mean.

The marks of thoughts are those of DeepSeek-R1 and Qwen (``<think>``), Magistral (``[THINK]``) and Kimi (``◁think▷``).
"""

import json
import re
from collections.abc import Iterator
from typing import Any

_NAMES = "think|thinking|thought|thoughts|reasoning|reflection|scratchpad"
_OPEN = rf"<(?:{_NAMES})>|\[THINK\]|◁think▷"
_CLOSE = rf"</(?:{_NAMES})>|\[/THINK\]|◁/think▷"
_MARK = re.compile(rf"(?P<open>{_OPEN})|(?P<close>{_CLOSE})|\{{", re.IGNORECASE)
_END_OF_THOUGHT = re.compile(_CLOSE, re.IGNORECASE)
_THOUGHT = re.compile(rf"(?:{_OPEN}).*?(?:{_CLOSE}|$)", re.IGNORECASE | re.DOTALL)
_BEFORE_CLOSE = re.compile(rf"^.*(?:{_CLOSE})", re.IGNORECASE | re.DOTALL)
_FENCE = re.compile(r"```[\w-]*")
# Reading on after each brace that begins no object takes at most so many times the answer's length.
MAX_WORK = 20


def objects_in(text: str) -> list[dict[str, Any]]:
    """Return the outermost complete JSON objects of an answer, in order; those in thoughts are none.

    A thought reaches to its end mark, without one to the end of the answer; an end mark without its beginning makes
    all before it a thought. Strings in the objects are free of thoughts and code fences.
    """
    return [_plain_values(found) for found in _outermost(text)]


def without_thoughts(text: str) -> str:
    """Return a text without thoughts and code fences."""
    return _FENCE.sub("", _BEFORE_CLOSE.sub("", _THOUGHT.sub("", text))).strip()


def _outermost(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    decoder, position, work_left = json.JSONDecoder(), 0, MAX_WORK * len(text)
    while (mark := _MARK.search(text, position)) and work_left > 0:
        position = mark.end()
        if mark["open"]:
            end = _END_OF_THOUGHT.search(text, position)
            position = end.end() if end else len(text)
        elif mark["close"]:
            found.clear()
        else:
            try:
                value, position = decoder.raw_decode(text, mark.start())
                found.append(value)
            except json.JSONDecodeError as error:
                work_left -= max(1, error.pos - mark.start())
            except (ValueError, RecursionError):
                work_left -= len(text)
    return found


def _plain_values(value: Any) -> Any:
    if isinstance(value, str):
        return without_thoughts(value) if any(sign in value for sign in "<[◁`") else value
    if isinstance(value, dict):
        return {key: _plain_values(item) for key, item in value.items()}
    return [_plain_values(item) for item in value] if isinstance(value, list) else value


def framed(text: str, key: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of an answer that hold a key, the last first; one that stands in another's place counts."""
    for found in reversed(objects_in(text)):
        if key in found:
            yield found
        else:
            # {"answer": {"meetings": […]}}: some servers frame the frame.
            yield from (value for value in found.values() if isinstance(value, dict) and key in value)
