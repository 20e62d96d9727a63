"""`Dialect`: the API of another vendor by which a job was submitted."""

from dataclasses import dataclass

DEEPGRAM = "deepgram"
ASSEMBLYAI = "assemblyai"


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """The vendor's ``name``, "" for MeetMemo's own API, and what its submitter ``asked``: JSON of that dialect's form.

    Answers and callbacks about the job are given in the same form.
    """

    name: str = ""
    asked: str = ""


OWN_DIALECT = Dialect()
