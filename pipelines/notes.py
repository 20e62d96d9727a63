"""`Note`: a finding about a recording that its owner should know although the job succeeded.

One list of codes, for every door: the job, ``transcript.json``, documents, webhooks, e-mail, console, command line.
Parts that look at a recording put notes into `pipelines.core.SourceSummary.notes`, parts that look at its text into
`pipelines.core.Transcript.notes`; from there they reach the job by themselves. What documents lack is put beside them
when they are written. A new code takes a member of `NoteCode`
and its `WORDINGS` in English and Chinese.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

NoteValue = str | int | float
"""A value of a note, as its sentence shows it: whoever makes a note rounds."""


class NoteCode(StrEnum):
    """The kinds of notes; programs may rely on them."""

    NO_SPEECH = "no_speech"
    UNLIKE_TRAINING = "unlike_training"
    SHORTER_THAN_DECLARED = "shorter_than_declared"
    DAMAGED_AUDIO = "damaged_audio"
    CHANNELS_REMIXED = "channels_remixed"
    TRACKS_LEFT_OUT = "tracks_left_out"
    TRACK_SILENT = "track_silent"
    TRACK_UNDECODABLE = "track_undecodable"
    SPEAKERS_MISSING = "speakers_missing"
    NAMES_NOT_HIDDEN = "names_not_hidden"
    HIDDEN_WORDS_SILENT = "hidden_words_silent"
    UNPRINTABLE_CHARACTERS = "unprintable_characters"
    TRANSLATED = "translated"
    TRANSLATION_INCOMPLETE = "translation_incomplete"
    TRANSLATION_STALE = "translation_stale"
    TRANSLATION_PARKED = "translation_parked"
    TRANSLATION_FAILED = "translation_failed"


class Wording(NamedTuple):
    """A note's sentence in each language of documents and of the console; ``{name}`` is filled with a value."""

    english: str
    chinese: str


WORDINGS: Mapping[NoteCode, Wording] = MappingProxyType(
    {
        NoteCode.NO_SPEECH: Wording("No speech was recognised in this recording.", "录音中未识别到语音。"),
        NoteCode.UNLIKE_TRAINING: Wording(
            "Most of this text is probably wrong: the recording does not sound like the speech that the model {model} "
            "was trained on. `meetmemo models pull base` fetches a model for real voices; jobs ask for it with "
            "model=base.",
            "此文本很可能大部分有误：录音与模型 {model} 的训练语音不同。"
            "`meetmemo models pull base` 可下载适合真实语音的模型，任务以 model=base 选用。",
        ),
        NoteCode.SHORTER_THAN_DECLARED: Wording(
            "The file declares {declared_s} s; {found_s} s were found.",
            "文件声明时长为 {declared_s} 秒，实际只找到 {found_s} 秒。",
        ),
        NoteCode.DAMAGED_AUDIO: Wording(
            "At least {damaged_s} s of the recording are damaged or missing, first at {first_s} s.",
            "录音中至少有 {damaged_s} 秒损坏或缺失，首次在 {first_s} 秒处。",
        ),
        NoteCode.CHANNELS_REMIXED: Wording(
            "A plain mix would have lost channels of this recording for {total_s} s, first at {first_s} s "
            "({below_db} dB below the loudest one). They were mixed so that none is lost.",
            "若直接混音，此录音有 {total_s} 秒会丢失声道（首次在 {first_s} 秒处，比最响声道低 {below_db} dB）；"
            "已改用不丢失声道的方式混音。",
        ),
        NoteCode.TRACKS_LEFT_OUT: Wording(
            "The recording has {n_tracks} sound tracks. Heard: {heard}. Not heard: {left_out}.",
            "此录音有 {n_tracks} 条音轨。已转写：{heard}。未转写：{left_out}。",
        ),
        NoteCode.TRACK_SILENT: Wording(
            "Sound track {track} holds no sound; another one was heard in its place.",
            "音轨 {track} 没有声音，已改用其他音轨。",
        ),
        NoteCode.TRACK_UNDECODABLE: Wording(
            "Sound track {track} cannot be decoded and was not heard.", "音轨 {track} 无法解码，未转写。"
        ),
        NoteCode.SPEAKERS_MISSING: Wording(
            "The speakers of this recording could not be told apart: {why}", "未能区分此录音的说话人：{why}"
        ),
        NoteCode.NAMES_NOT_HIDDEN: Wording(
            "Names of people and places are not found in this language and were not masked: {languages}.",
            "无法识别该语言中的人名和地名，未作隐藏：{languages}。",
        ),
        NoteCode.HIDDEN_WORDS_SILENT: Wording(
            "The kept recording is silent where words were hidden: this transcript has neither them nor a mark.",
            "保留的录音在已隐藏的词语处为静音：本转写稿中没有这些词语，也没有标记。",
        ),
        NoteCode.UNPRINTABLE_CHARACTERS: Wording(
            "minutes.pdf has no font for {n_characters} of its characters ({characters}) and shows them as �; "
            "the Word and Markdown files hold the complete text.",
            "minutes.pdf 中有 {n_characters} 个字符没有可用字体（{characters}），显示为 �；"
            "完整文本见 Word 和 Markdown 文件。",
        ),
        NoteCode.TRANSLATED: Wording(
            "Translated from {spoken} to {language} by {model}, a language model.",
            "由语言模型 {model} 从 {spoken} 译为 {language}。",
        ),
        NoteCode.TRANSLATION_INCOMPLETE: Wording(
            "In the translation to {language}, {n_untranslated} of {n_segments} segments keep their original words: "
            "no translation of them passed the checks.",
            "译文（{language}）中有 {n_untranslated} 段（共 {n_segments} 段）保留原文：其译文未通过检查。",
        ),
        NoteCode.TRANSLATION_STALE: Wording(
            "This is a translation of version {version} of the transcript, which was corrected since: it is at version "
            "{newest}.",
            "本译文译自转写稿第 {version} 版；该稿此后已更正，现为第 {newest} 版。",
        ),
        NoteCode.TRANSLATION_PARKED: Wording(
            "The translation to {language} is parked and will follow: {why}",
            "译文（{language}）已暂缓，稍后提供：{why}",
        ),
        NoteCode.TRANSLATION_FAILED: Wording(
            "There is no translation to {language}: {why}", "没有译文（{language}）：{why}"
        ),
    }
)


@dataclass(frozen=True, kw_only=True)
class Note:
    """A finding: its code, and the ``values`` that its sentence names (names of seconds end in ``_s``).

    Raises ``KeyError`` without a value that the sentence needs.
    """

    code: NoteCode
    values: Mapping[str, NoteValue] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for sentence in WORDINGS[self.code]:
            sentence.format(**self.values)

    @property
    def text(self) -> str:
        """The sentence in English."""
        return WORDINGS[self.code].english.format(**self.values)


def united(*lists: Sequence[Note]) -> tuple[Note, ...]:
    """Return the notes of several lists in order, each once."""
    found: list[Note] = []
    for notes in lists:
        found += [note for note in notes if note not in found]
    return tuple(found)
