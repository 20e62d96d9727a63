"""The words that documents themselves bring along, in English and Chinese."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_CHANNEL = re.compile(r"Channel (\d+)")


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Headings and phrases of one language. Phrases with braces are filled by ``str.format``."""

    minutes_of_meeting: str
    recording: str
    date: str
    chair: str
    place: str
    distribution: str
    to_be_confirmed: str
    duration: str
    language: str
    participants: str
    transcribed_with: str
    written_by: str
    extractive_writer: str
    extractive_note: str
    model_writer: str
    model_note: str
    summary: str
    no_summary: str
    decisions: str
    no_decisions: str
    action_items: str
    no_action_items: str
    topics: str
    open_questions: str
    quality: str
    quality_intro: str
    transcript: str
    no_speech: str
    decision: str
    task: str
    owner: str
    due: str
    time: str
    channel: str
    state: str
    reason: str
    unknown: str
    unverified: str
    suspect: str
    failed: str
    suspect_s: str
    failed_s: str
    suspect_here: str
    failed_here: str
    warning: str
    unshown: str
    page: str
    quote: str
    list_separator: str
    colon: str
    numbered_channel: str
    reasons: Mapping[str, str]
    languages: Mapping[str, str]

    def speaker(self, name: str) -> str:
        """Translate the name of an unnamed channel; other names stay as they are."""
        match = _CHANNEL.fullmatch(name)
        return self.numbered_channel.format(match[1]) if match else name

    def language_name(self, code: str) -> str:
        """Name a language by its ISO code; rare ones keep the code."""
        return self.languages.get(code.partition("-")[0].lower(), code) or self.unknown

    def reason_text(self, note: str) -> str:
        """Put a coverage note into words; an unknown one (an error's text) stays as it is."""
        return self.list_separator.join(self.reasons.get(part, part) for part in note.split(", ")) or self.unknown


ENGLISH = Labels(
    minutes_of_meeting="Minutes of meeting",
    recording="Recording",
    date="Date",
    chair="Chair",
    place="Place",
    distribution="Distribution list",
    to_be_confirmed="to be confirmed",
    duration="Duration",
    language="Language",
    participants="Participants",
    transcribed_with="Transcribed with",
    written_by="Written by",
    extractive_writer="extractive writer (no language model)",
    extractive_note=(
        "These minutes were assembled from sentences of the transcript by rules, without a language model. "
        "Check them against the recording before relying on them."
    ),
    model_writer="language model {}",
    model_note=(
        "These minutes were written by a language model from the transcript. "
        "Check them against the recording before relying on them."
    ),
    summary="Summary",
    no_summary="No summary could be made.",
    decisions="Decisions",
    no_decisions="No decisions were recognised.",
    action_items="Action items",
    no_action_items="No action items were recognised.",
    topics="Topics",
    open_questions="Open questions",
    quality="Quality of the transcript",
    quality_intro="The transcript is uncertain or incomplete in these passages:",
    transcript="Transcript",
    no_speech="No speech was recognised in this recording.",
    decision="Decision",
    task="Task",
    owner="Owner",
    due="Due",
    time="Time",
    channel="Channel",
    state="State",
    reason="Reason",
    unknown="–",
    unverified="not verified against the transcript",
    suspect="uncertain",
    failed="not transcribed",
    suspect_s="{} are uncertain",
    failed_s="{} could not be transcribed",
    suspect_here="uncertain",
    failed_here="could not be transcribed",
    warning="Of this recording, {} – see “{}”.",
    unshown=(
        "Some characters of this document have no font in PDF and appear as �; "
        "the Word and Markdown files hold the complete text."
    ),
    page="Page {page} of {total}",
    quote="“{}”",
    list_separator=", ",
    colon=": ",
    numbered_channel="Channel {}",
    reasons={
        "compression": "repetitive text",
        "repetition": "repeated phrases",
        "low_logprob": "low confidence",
        "too_little_text": "less text than speech",
        "too_much_text": "more text than speech",
        "truncated": "text cut short",
        "prompt_echo": "prompt read back",
        "no result": "no result",
        "not segmented": "audio not processed",
    },
    languages={
        "ar": "Arabic",
        "cs": "Czech",
        "da": "Danish",
        "de": "German",
        "el": "Greek",
        "en": "English",
        "es": "Spanish",
        "fi": "Finnish",
        "fr": "French",
        "he": "Hebrew",
        "hi": "Hindi",
        "hu": "Hungarian",
        "id": "Indonesian",
        "it": "Italian",
        "ja": "Japanese",
        "ko": "Korean",
        "nl": "Dutch",
        "no": "Norwegian",
        "pl": "Polish",
        "pt": "Portuguese",
        "ro": "Romanian",
        "ru": "Russian",
        "sv": "Swedish",
        "th": "Thai",
        "tr": "Turkish",
        "uk": "Ukrainian",
        "vi": "Vietnamese",
        "yue": "Cantonese",
        "zh": "Chinese",
    },
)

CHINESE = Labels(
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
    topics="议题",
    open_questions="待解决问题",
    quality="转写质量说明",
    quality_intro="以下片段的转写存疑或缺失：",
    transcript="转写全文",
    no_speech="录音中未识别到语音。",
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
    unshown="本文档中的部分字符在 PDF 中没有可用字体，显示为 �；完整文本见 Word 和 Markdown 文件。",
    page="第 {page} 页，共 {total} 页",
    quote="“{}”",
    list_separator="、",
    colon="：",
    numbered_channel="声道 {}",
    reasons={
        "compression": "文本重复",
        "repetition": "语句重复",
        "low_logprob": "置信度低",
        "too_little_text": "文本少于语音",
        "too_much_text": "文本多于语音",
        "truncated": "文本被截断",
        "prompt_echo": "复述了提示词",
        "no result": "无结果",
        "not segmented": "音频未处理",
    },
    languages={
        "ar": "阿拉伯语",
        "de": "德语",
        "en": "英语",
        "es": "西班牙语",
        "fr": "法语",
        "hi": "印地语",
        "id": "印度尼西亚语",
        "it": "意大利语",
        "ja": "日语",
        "ko": "韩语",
        "nl": "荷兰语",
        "pl": "波兰语",
        "pt": "葡萄牙语",
        "ru": "俄语",
        "th": "泰语",
        "tr": "土耳其语",
        "uk": "乌克兰语",
        "vi": "越南语",
        "yue": "粤语",
        "zh": "中文",
    },
)


def is_chinese(language: str) -> bool:
    """Say whether an ISO code names Chinese in any form."""
    return language.lower().startswith(("zh", "yue"))


def labels_for(language: str) -> Labels:
    """Return the labels of documents in a language: Chinese for Chinese, English for every other."""
    return CHINESE if is_chinese(language) else ENGLISH
