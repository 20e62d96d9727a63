"""Try and fill templates in processes of their own: ``python -m pipelines.export.templating.host FD``.

It has the language loaded and has seen no template; see `pipelines.isolation.fork_host` for what its children may do.
"""

import socket
import sys

from pipelines.errors import TemplateInvalid
from pipelines.export.templating.protocol import (
    MAX_ANSWER_BYTES,
    MAX_REFUSAL_CHARACTERS,
    TemplateAnswer,
    TemplateOrder,
    decode_limits,
    receive,
    send,
)
from pipelines.export.templating.run import check_template, lay_out
from pipelines.export.templating.templates import CLASSIC, shipped
from pipelines.isolation.fork_host import ForkHost, run_host

MAX_ORDER_BYTES = 64 << 20


def answered(order: TemplateOrder) -> TemplateAnswer:
    """Try a template or lay out by it."""
    try:
        if order.values is None:
            check_template(order.template)
            return TemplateAnswer()
        return TemplateAnswer(layout=lay_out(order.template, order.values))
    except TemplateInvalid as error:
        text = str(error)[:MAX_REFUSAL_CHARACTERS]
        return TemplateAnswer(refusal=text.encode("utf-8", "replace").decode())


def answer_to(connection: socket.socket) -> None:
    """Read the order and answer it."""
    try:
        answer = answered(TemplateOrder.decoded(receive(connection, MAX_ORDER_BYTES))).encoded()
    except MemoryError:
        answer = _TOO_MUCH_MEMORY
    send(connection, answer if len(answer) <= MAX_ANSWER_BYTES else _TOO_MUCH_MEMORY)


_TOO_MUCH_MEMORY = TemplateAnswer(refusal="it takes too much memory").encoded()


def serve(control: socket.socket) -> None:
    """Fork a process for each template that comes."""
    ForkHost(control, lambda data: (answer_to, decode_limits(data))).serve()


def warm_up() -> None:
    """Fill and refuse templates, so that whatever is loaded late is loaded before anything is confined."""
    for language in ("en", "zh"):
        check_template(shipped(CLASSIC, language))
    for order in (TemplateOrder(template="# {{ title }}\n\n|a|\n|-|\n|b|", values={"title": "x"}),):
        TemplateAnswer.decoded(answered(TemplateOrder.decoded(order.encoded())).encoded())
    for wrong in ("{{ nothing }}", "{% if"):
        answered(TemplateOrder(template=wrong, values=None)).encoded()


if __name__ == "__main__":
    run_host(int(sys.argv[1]), warm_up, serve)
