"""`ModelProfile`: what a model's ``meetmemo.json`` says."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ModelProfile:
    """The contents of a model's ``meetmemo.json``; None for fields that it lacks.

    ``languages``: codes of the languages it really speaks, where its vocabulary has more.
    ``language_tokens``: whether it was trained with language and task tokens after ``<|startoftranscript|>``.
    CTranslate2 cannot tell that of a vocabulary for English alone (see `pipelines.whisper.ct2_model`).
    ``short_windows``: whether it was trained on windows of any length, so that rows need not be filled up to 30 s;
    OpenAI's models were not. ``window_s``: most seconds of speech to put into one row, where fewer than 30 give better
    text. ``translates``: whether it was trained to write English for other languages; with one language there is
    nothing to translate. ``timestamps``: whether it is to write the times of segments itself, because it was trained to
    write them exactly; OpenAI's models leave out far less of what is said without (docs/benchmarks.md).
    ``min_avg_logprob``: mean nats a token of a recording's text below which it is none of the speech that the model was
    trained on (`pipelines.transcript.trained_speech`); None: it was trained on speech of all kinds.
    ``confidence``: the curve that calibrates its words' probabilities (`pipelines.whisper.confidence`), as
    `scripts/calibrate-confidence` writes it; empty: none was fitted, and they stay as they are.
    """

    languages: tuple[str, ...] | None = None
    language_tokens: bool | None = None
    short_windows: bool = False
    window_s: float = 30.0
    translates: bool = True
    timestamps: bool = False
    min_avg_logprob: float | None = None
    confidence: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        shares = [0.0, *(number for _, number in self.confidence), 1.0]
        places = [number for number, _ in self.confidence]
        within = all(0 <= place <= 1 for place in places)
        if not within or places != sorted(set(places)) or shares != sorted(shares):
            raise ValueError("confidence: its points must ascend from 0 to 1")

    @property
    def can_translate(self) -> bool:
        return self.translates and (self.languages is None or len(self.languages) > 1)
