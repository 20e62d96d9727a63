"""Read the file name out of a ``Content-Disposition`` header (RFC 6266)."""

from email.message import Message
from email.utils import collapse_rfc2231_value


def disposition(value: str) -> Message:
    """Parse a header of the form ``value; name=…; name*=…`` (RFC 2231, RFC 5987)."""
    message = Message()
    message["content-disposition"] = value
    return message


def filename_of(message: Message) -> str | None:
    """Return the file name of a content disposition: ``filename*`` before ``filename`` (RFC 6266, section 4.3)."""
    params = message.get_params(header="content-disposition") or []
    names = [value for name, value in params if name.lower() == "filename"]
    encoded = [name for name in names if isinstance(name, tuple)]
    if not names:
        return None
    # browsers write a quotation mark in a name as %22
    return collapse_rfc2231_value((encoded or names)[0]).replace("%22", '"')


def text_of(raw: bytes) -> str:
    """Decode header or field bytes: UTF-8 as every current client sends, else Latin-1."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
