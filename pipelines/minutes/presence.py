"""Who took part in a meeting and who was given work in it: one who is only talked about did neither."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.core import Segment, Transcript
from pipelines.minutes.language.people import find_participants, name_finder, named_speakers
from pipelines.minutes.language.registry import cues_for
from pipelines.minutes.language.sentences import split_sentences
from pipelines.minutes.language.wording import clean, tokens
from pipelines.minutes.spoken_orders import gives_order

_INTRODUCES = (
    r"ich bin|ich heiße|mein name ist|hier ist|hier spricht|je suis|je m'appelle|ici|soy|me llamo|habla|sono|mi chiamo|"
    r"sou(?: o| a)?|(?:o )?meu nome é|aqui é|ik ben|mijn naam is|jag är|jag heter|jeg er|jeg heter|jestem|nazywam się|"
    r"меня зовут|это|я|أنا|اسمي|i am|i'm|this is|my name is"
)
_GREETS = (
    r"danke|hallo|guten (?:tag|morgen|abend)|merci|bonjour|bonsoir|gracias|hola|buenos días|grazie|ciao|buongiorno|"
    r"obrigad[oa]|olá|bom dia|dank je|dag|tack|hej|takk|hei|dziękuję|cześć|dzień dobry|спасибо|привет|здравствуйте|"
    r"شكرا|مرحبا|thanks?(?: you)?|hello|hi|welcome"
)
_TAKES = (
    r"(?:,? (?:will|shall|should|must|can|could|would|has to|have to|is to|are to|is going to|needs? to|takes?|please|"
    r"you|do|does|prepares?|sends?|writes?|owns?|handles?|agreed to|promised to|volunteered)\b|['’]ll\b|:|,? bitte\b|"
    r",? (?:wird|soll|muss|kann|macht|übernimmt|va|doit|peut|devra|va a|debe|puede|tiene que|deve|può|vai|tem que|"
    r"zal|moet|ska|måste|skal|må|będzie|ma|musi|должен|должна|сделает|подготовит|будет)\b|"
    r"[，,]?(?:负责|来|去|会|将|要|牵头|准备|完成|跟进|处理|在|把|你|您|请|需要|提交|整理|联系|安排|今|明|后天|下周|下个?月|本周|这周|周|星期|先|再|\d))"
)
_GIVES = (
    r"(?:\b(?:for|to|by|with|on|ask|asked|tell|assign(?:ed)?(?: it)? to|owner(?: is)?|let|have|and|an|für|von|pour|par|"
    r"para|por|per|da|voor|door|för|för|dla|для)[ :,]*|(?:由|让|请|叫|给|交给|和|跟|麻烦)[，,]?)"
)


@dataclass(frozen=True)
class Presence:
    """Speakers (lower case) and the names of others who were introduced or spoken to."""

    speakers: frozenset[str]
    addressed: frozenset[str]

    @classmethod
    def of(cls, transcript: Transcript, names: Iterable[str]) -> "Presence":
        """Find out who was present; ``names`` are those that somebody says were."""
        cues = cues_for(transcript.language, transcript.text)
        sentences = [sentence for sentence in split_sentences(transcript) if not gives_order(sentence.clean)]
        labels = named_speakers(transcript)
        known = [*labels, *names]
        addressed = set(find_participants(sentences, labels, cues, name_finder(sentences, known, cues)))
        if not cues.address:
            text = "\n".join(sentence.clean for sentence in sentences)
            addressed.update(name for name in names if _is_greeted(name, text))
        speakers = (segment.speaker.strip().casefold() for segment in transcript.segments)
        return cls(
            speakers=frozenset(speaker for speaker in speakers if speaker),
            addressed=frozenset(name.casefold() for name in addressed),
        )

    def has(self, name: str) -> bool:
        """Say whether somebody took part; a part of a full name is enough where it is whole words."""
        wanted = tokens(name)
        return name.strip().casefold() in self.speakers or any(
            wanted and (_within(wanted, tokens(other)) or _within(tokens(other), wanted))
            for other in self.addressed | self.speakers
        )


def is_given(owner: str, segments: Iterable[Segment]) -> bool:
    """Say whether words give somebody work: "Bob will", "action item for Bob", 由王芳负责; a team counts."""
    name = re.escape(owner.strip())
    pattern = re.compile(
        rf"(?<!\w){name}{_TAKES}|{_GIVES}{name}(?!\w)|(?:^|[.?!,] )(?:and |so |okay |then )*{name},"
        if owner.isascii()
        else rf"{name}{_TAKES}|{_GIVES}{name}|(?:^|[.?!,，。] ?){name}[,，]",
        re.IGNORECASE,
    )
    return pattern.search(clean(" ".join(segment.text for segment in segments))) is not None


def _is_greeted(name: str, text: str) -> bool:
    escaped = re.escape(name.strip())
    return (
        re.search(
            rf"(?:^|[^\w])(?:{_INTRODUCES}|{_GREETS})[ ,]+(?:\w+ )?{escaped}(?!\w)"
            rf"|(?:^|[.?!] )(?:\w+[, ]+)?{escaped}, (?!\w+ (?:und|y|et|e|en|och|og|i|и) )|, {escaped}[.?!]",
            text,
            re.IGNORECASE | re.MULTILINE,
        )
        is not None
    )


def _within(part: list[str], whole: list[str]) -> bool:
    return bool(part) and set(part) <= set(whole)
