"""The words that documents themselves bring along, in English and Chinese."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pipelines.notes import WORDINGS, Note, NoteCode
from pipelines.speakers.labelling import number_of
from pipelines.text.language_names import display_name

_CHANNEL = re.compile(r"Channel (\d+)")
_TRACK = re.compile(r"Track (\d+(?: \([\w-]+\))?(?: \d+)?)")  # `pipelines.transcript.channel_names`


# In English and Chinese, by coverage notes.
_REASONS = {
    "compression": ("repetitive text", "文本重复"),
    "repetition": ("repeated phrases", "语句重复"),
    "low_logprob": ("low confidence", "置信度低"),
    "too_little_text": ("less text than speech", "文本少于语音"),
    "too_much_text": ("more text than speech", "文本多于语音"),
    "truncated": ("text cut short", "文本被截断"),
    "prompt_echo": ("prompt read back", "复述了提示词"),
    "unheard_speech": ("speech that was not understood", "有未听清的语音"),
    "language_doubtful": ("uncertain language", "语言不确定"),
    "no result": ("no result", "无结果"),
    "damaged_audio": ("damaged recording", "录音损坏"),
    "not segmented": ("audio not processed", "音频未处理"),
}


def _words(table: Mapping[str, tuple[str, str | None]], column: int) -> dict[str, str]:
    return {code: word for code, names in table.items() if (word := names[column])}


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Headings and phrases of one language, English where nothing else is said; braces are filled by ``str.format``."""

    own_language: Literal["en", "zh"] = "en"
    minutes_of_meeting: str = "Minutes of meeting"
    recording: str = "Recording"
    date: str = "Date"
    chair: str = "Chair"
    place: str = "Place"
    distribution: str = "Distribution list"
    to_be_confirmed: str = "to be confirmed"
    duration: str = "Duration"
    language: str = "Language"
    participants: str = "Participants"
    transcribed_with: str = "Transcribed with"
    written_by: str = "Written by"
    extractive_writer: str = "extractive writer (no language model)"
    extractive_note: str = (
        "These minutes were assembled from sentences of the transcript by rules, without a language model. "
        "Check them against the recording before relying on them."
    )
    model_writer: str = "language model {}"
    model_note: str = (
        "These minutes were written by a language model from the transcript. "
        "Check them against the recording before relying on them."
    )
    summary: str = "Summary"
    no_summary: str = "No summary could be made."
    decisions: str = "Decisions"
    no_decisions: str = "No decisions were recognised."
    action_items: str = "Action items"
    no_action_items: str = "No action items were recognised."
    no_cues: str = (
        "Without a language model, decisions and action items are recognised in English and Chinese only; "
        "these minutes hold a summary and the topics."
    )
    topics: str = "Topics"
    open_questions: str = "Open questions"
    quality: str = "Quality of the transcript"
    quality_intro: str = "The transcript is uncertain or incomplete in these passages:"
    transcript: str = "Transcript"
    unwritten: str = "There is nothing to take minutes of."
    details: str = "Details"
    more_below: str = "… and {} more under “Details”"
    decision: str = "Decision"
    task: str = "Task"
    owner: str = "Owner"
    due: str = "Due"
    time: str = "Time"
    channel: str = "Channel"
    state: str = "State"
    reason: str = "Reason"
    unknown: str = "–"
    unverified: str = "not verified against the transcript"
    suspect: str = "uncertain"
    failed: str = "not transcribed"
    suspect_s: str = "{} are uncertain"
    failed_s: str = "{} could not be transcribed"
    suspect_here: str = "uncertain"
    failed_here: str = "could not be transcribed"
    warning: str = "Of this recording, {} – see “{}”."
    page: str = "Page {page} of {total}"
    quote: str = "“{}”"
    list_separator: str = ", "
    colon: str = ": "
    numbered_channel: str = "Channel {}"
    numbered_track: str = "Track {}"
    numbered_speaker: str = "Speaker {}"
    inferred: str = "{} (inferred)"
    inferred_names: str = "Names that were inferred from what is said: {}."
    decided_by: str = "Said by"
    reasons: Mapping[str, str]
    notes: Mapping[NoteCode, str]

    def speaker(self, name: str) -> str:
        """Translate the name of an unnamed speaker, channel or sound track; other names stay as they are."""
        if number := number_of(name):
            return self.numbered_speaker.format(number)
        for pattern, numbered in ((_CHANNEL, self.numbered_channel), (_TRACK, self.numbered_track)):
            if match := pattern.fullmatch(name):
                return numbered.format(match[1])
        return name

    def language_name(self, code: str) -> str:
        """Name a language by its tag; one that has no name keeps the tag."""
        return display_name(code, self.own_language) if code else self.unknown

    def reason_text(self, note: str) -> str:
        """Put a coverage note into words; an unknown one (an error's text) stays as it is."""
        return self.list_separator.join(self.reasons.get(part, part) for part in note.split(", ")) or self.unknown

    def note(self, note: Note) -> str:
        """Put a note of a recording into words."""
        return self.notes[note.code].format(**note.values)


ENGLISH = Labels(
    reasons=_words(_REASONS, 0),
    notes={code: wording.english for code, wording in WORDINGS.items()},
)
CHINESE = Labels(
    own_language="zh",
    minutes_of_meeting="会议纪要",
    recording="录音",
    date="日期",
    chair="主持人",
    place="地点",
    distribution="抄送",
    to_be_confirmed="待确认",
    duration="时长",
    language="语言",
    participants="参会人员",
    transcribed_with="转写模型",
    written_by="纪要撰写",
    extractive_writer="摘录式撰写（未使用语言模型）",
    extractive_note="本纪要由规则从转写文本中摘录而成，未使用语言模型，使用前请与录音核对。",
    model_writer="语言模型 {}",
    model_note="本纪要由语言模型根据转写文本撰写，使用前请与录音核对。",
    summary="摘要",
    no_summary="未能生成摘要。",
    decisions="决议事项",
    no_decisions="未识别到决议。",
    action_items="待办事项",
    no_action_items="未识别到待办事项。",
    no_cues="未使用语言模型时，仅能识别英文和中文的决议与待办事项；本纪要只含摘要和议题。",
    topics="议题",
    open_questions="待解决问题",
    quality="转写质量说明",
    quality_intro="以下片段的转写存疑或缺失：",
    transcript="转写全文",
    unwritten="没有可供整理纪要的内容。",
    details="详细内容",
    more_below="……另有 {} 项，见“详细内容”",
    decision="决议",
    task="任务",
    owner="负责人",
    due="截止时间",
    time="时间",
    channel="声道",
    state="状态",
    reason="原因",
    unknown="—",
    unverified="未经转写文本核实",
    suspect="存疑",
    failed="未转写",
    suspect_s="{} 的转写存疑",
    failed_s="{} 未能转写",
    suspect_here="存疑",
    failed_here="未能转写",
    warning="本录音中，{}，详见“{}”。",
    page="第 {page} 页，共 {total} 页",
    quote="“{}”",
    list_separator="、",
    colon="：",
    numbered_channel="声道 {}",
    numbered_track="音轨 {}",
    numbered_speaker="说话人 {}",
    inferred="{}（推断）",
    inferred_names="以下姓名由谈话内容推断：{}。",
    decided_by="发言人",
    reasons=_words(_REASONS, 1),
    notes={code: wording.chinese for code, wording in WORDINGS.items()},
)


def is_chinese(language: str) -> bool:
    """Say whether an ISO code names Chinese in any form."""
    return language.lower().startswith(("zh", "yue"))


def labels_for(language: str) -> Labels:
    """Return the labels of documents in a language: Chinese for Chinese, English for every other."""
    return CHINESE if is_chinese(language) else ENGLISH
