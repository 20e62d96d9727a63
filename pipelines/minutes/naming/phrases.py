"""Phrases that tie a name to a voice, by language: tables, read by `pipelines.minutes.naming.evidence`.

Each has a group ``person``. Where the pattern goes on behind it, the name is all of the group; else the group begins
with it. Applied to `Sentence.clean`, casing ignored.
"""

# ruff: noqa: E501, SIM905  (a pattern stands on one line; lists of words are easier to read as text)

import re
from dataclasses import dataclass
from re import Pattern

from pipelines.minutes.language.cues import patterns

_NAME = r"(?P<person>[^\W\d_][\w'’.-]*(?: [^\W\d_][\w'’-]*){0,2}?)"
_NAME_ZH = r"(?P<person>[^，。？！,.?! ]{2,6}?)"
_ONWARD = r"(?P<person>[^\W\d_].*)"


@dataclass(frozen=True, kw_only=True)
class NamePhrases:
    """The phrases of one language. ``nouns_in_capitals``: a capital letter makes no name."""

    own: tuple[Pattern[str], ...]  # the speaker's, whatever the name: "my name is"
    own_likely: tuple[Pattern[str], ...]  # the speaker's, where the name is one: "I'm"
    presented: tuple[Pattern[str], ...]  # of who speaks next: "please welcome"
    asked: tuple[Pattern[str], ...]  # of who speaks next: "Karen, what do you think?"
    thanked: tuple[Pattern[str], ...]  # of who spoke before: "thanks, Karen"
    greeted: tuple[Pattern[str], ...]  # of the other one, where there are two: "hi Karen"
    reported: Pattern[str]  # before a phrase: somebody else's words, or none that count
    origin: Pattern[str]  # behind a name: it is one, "this is Karen from support"
    others: Pattern[str]  # behind a name: it is somebody else's, "this is Karen, she …"
    titles: frozenset[str] = frozenset()
    no_names: frozenset[str] = frozenset()
    and_word: str = "and"
    nouns_in_capitals: bool = False


def _named(*sources: str) -> tuple[Pattern[str], ...]:
    return patterns(*(source.replace("{name}", _NAME).replace("{onward}", _ONWARD) for source in sources))


_OPENERS_EN = r"^(?:(?:so|okay|ok|and|right|yes|no|well|now|alright|all right|great|good|thanks|thank you|perfect),? )*"
EN = NamePhrases(
    own=_named(
        r"\b(?:my name is|my name's|i am called|i'm called) {onward}",
    ),
    own_likely=_named(
        r"^{name},? (?:here|speaking)\b",
        r"^{name} from [\w ]{2,30} (?:here|speaking)\b",
        r"(?<!and )\bthis is {onward}",
        r"(?:^|[,.;:] |\b(?:hi|hello|hey|so|and|okay|yes|everyone|all|there|morning|afternoon) )(?:i'm|i am) {name}(?=[,.!?;]| from | and i | with the | the | in | at |$)",
    ),
    presented=_named(
        r"\b(?:please welcome|(?:we are|we're) joined by|with us (?:is|today is)|let me introduce|i'd like to introduce|next (?:up )?is|and this is) {onward}",
        r"\b(?:over to|i'll hand over to|i hand over to|handing over to|the floor is yours,?|let's hear from|let us hear from) (?:you,? )?{onward}",
    ),
    asked=_named(
        _OPENERS_EN
        + r"{name},? (?:can you|could you|would you|will you|do you|did you|are you|have you|were you|what|how|why|when|where|which|who|is there|over to you|go ahead|your turn|the floor is yours|any)\b",
        r"(?<!thank )\b(?:you|yours|yourself|opinion|thoughts|view|think|on),? {name}\?$",
        r"\b(?:what about you|how about you|and you|over to you|go ahead),? {name}\b[?.]?",
        r"\?.{0,3} {name}\?$",
        r", {name}\?$",
    ),
    thanked=_named(
        r"\b(?:thank you|thanks|cheers)(?: very much| so much| a lot| again| indeed)?,? {onward}",
        r"^{name},? (?:thank you|thanks)\b",
    ),
    greeted=_named(
        r"\b(?:hi|hello|hey|welcome|good (?:morning|afternoon|evening)|sorry|congratulations|goodbye|bye)(?: there)?,? {onward}"
    ),
    reported=re.compile(
        r"\b(?:said|says|say|saying|told|tell|called|if|imagine|suppose|pretend|like|that)[ :,\"']*$", re.IGNORECASE
    ),
    origin=re.compile(r"^,? (?:from|with the|calling|here|speaking)\b", re.IGNORECASE),
    others=re.compile(
        r"^[, ]*(?:she|he|they|who|whom|whose|her|his|our|your|my|one of|we|is|was|says|said|has)\b", re.IGNORECASE
    ),
    titles=frozenset("mr mrs ms miss dr doctor prof professor sir madam".split()),
    no_names=frozenset(
        """
        everyone everybody all guys folks team sir madam doctor professor god goodness again very much so both you
        that this it what why how who not just also really only monday tuesday wednesday thursday friday saturday
        sunday january february march april may june july august september october november december english german
        french chinese spanish italian british american european indian catholic christian internet google microsoft
        apple amazon everything nothing something there here too and but or for because i we they the a an our my your
        his her ladies gentlemen colleagues chair chairman mum dad
        """.split()
    ),
)

_OPENERS_DE = r"^(?:(?:so|gut|okay|ok|ja|nein|und|also|nun|dann|super|prima|danke),? )*"
DE = NamePhrases(
    own=_named(
        r"\b(?:mein name ist|mein name lautet|ich hei(?:ß|ss)e|man nennt mich) {onward}",
    ),
    own_likely=_named(
        r"\b(?:ich bin|hier ist|hier spricht|am apparat ist|am telefon ist) (?:die |der )?{onward}",
        r"^(?:hallo,? |guten (?:tag|morgen|abend),? |ja,? )?(?:die |der )?{name} (?:hier|am apparat|vom|von der)\b",
    ),
    presented=_named(
        r"\b(?:begrü(?:ß|ss)en sie(?: mit mir)?|bei uns ist(?: heute)?|ich begrü(?:ß|ss)e|ich möchte ihnen|und das ist|neben mir sitzt) (?:die |der )?{onward}",
        r"\b(?:ich übergebe an|das wort hat|weiter mit|als nächstes kommt|als nächste spricht) (?:die |der )?{onward}",
    ),
    asked=_named(
        _OPENERS_DE
        + r"{name},? (?:was|wie|warum|wann|wo|wer|kannst|können|könntest|könnten|würdest|würden|magst|möchtest|möchten|willst|wollen|hast|haben|bist|sind|leg los)\b",
        r"\b(?:du|dir|sie|ihnen|dran|das|dazu|wort),? {name}\?$",
        r"\b(?:und du|und sie|du bist dran|bitte),? {name}\b[?.!]?$",
        r", {name}\?$",
    ),
    thanked=_named(
        r"\b(?:vielen dank|besten dank|herzlichen dank|danke(?: dir| ihnen| euch)?(?: sehr| schön| vielmals)?|dankeschön),? {onward}",
        r"^{name},? (?:danke|vielen dank)\b",
    ),
    greeted=_named(
        r"\b(?:hallo|hi|hey|grü(?:ß|ss) dich|guten (?:morgen|tag|abend)|willkommen|moin|servus|tschüss),? {onward}"
    ),
    reported=re.compile(
        r"\b(?:sagte|sagt|sagen|meinte|hieß|wenn|falls|dass|als ob|angenommen)[ :,\"']*$", re.IGNORECASE
    ),
    origin=re.compile(r"^,? (?:von|vom|aus|hier)\b", re.IGNORECASE),
    others=re.compile(
        r"^[, ]*(?:sie|er|die|der|das|deren|dessen|unsere?|meine?|ihre?|seine?|hat|ist|war|sagt)\b", re.IGNORECASE
    ),
    titles=frozenset("herr herrn frau dr doktor prof professor".split()),
    no_names=frozenset("alle allen zusammen leute kollegen kolleginnen team euch ihnen dir sehr schön gott".split()),
    and_word="und",
    nouns_in_capitals=True,
)

_OPENERS_FR = r"^(?:(?:alors|bon|bien|d'accord|ok|okay|oui|non|et|donc|merci|très bien|parfait),? )*"
FR = NamePhrases(
    own=_named(r"\b(?:je m'appelle|mon nom est|moi,? c'est) {onward}"),
    own_likely=_named(
        r"^{name} à l'appareil\b",
        r"(?:^|[,.;:] |\b(?:bonjour|bonsoir|salut|oui|et) )(?:je suis|ici|c'est) {onward}",
    ),
    presented=_named(
        r"\b(?:je vous présente|voici|nous accueillons|j'accueille|avec nous|et voilà) {onward}",
        r"\b(?:je passe la parole à|la parole est à|je donne la parole à|on écoute|écoutons) {onward}",
    ),
    asked=_named(
        _OPENERS_FR
        + r"{name},? (?:qu'en|qu'est-ce|que|quel(?:le)?s?|comment|pourquoi|quand|où|est-ce que|peux-tu|pouvez-vous|pourrais-tu|pourriez-vous|tu|vous|veux-tu|voulez-vous|as-tu|avez-vous|es-tu|êtes-vous|à toi|à vous|ton avis|votre avis|s'il)(?= |[?.!,]|$)",
        r"(?:tu|vous|toi|penses|pensez|avis|dis|dites),? {name} ?\?$",
        r"\b(?:et toi|et vous|à toi|à vous|vas-y|allez-y),? {name}\b ?[?.!]?$",
        r", {name} ?\?$",
    ),
    thanked=_named(
        r"\bmerci(?: beaucoup| bien| à toi| à vous| encore)?,? {onward}",
        r"^{name},? merci\b",
    ),
    greeted=_named(r"\b(?:bonjour|bonsoir|salut|coucou|bienvenue|au revoir),? {onward}"),
    reported=re.compile(r"\b(?:dit|disait|disent|si|que|imagine|imaginez|comme)[ :,\"'«]*$", re.IGNORECASE),
    origin=re.compile(r"^,? (?:de|du|des|à l'appareil)\b", re.IGNORECASE),
    others=re.compile(r"^[, ]*(?:elle|il|ils|elles|qui|dont|notre|nos|mon|ma|son|sa|est|était|a|dit)\b", re.IGNORECASE),
    titles=frozenset("monsieur madame mademoiselle m mme docteur dr professeur".split()),
    no_names=frozenset(
        "tous toutes tout monde messieurs mesdames beaucoup bien pour de du à au vous toi le la les un une et dieu "
        "lundi mardi mercredi jeudi vendredi samedi dimanche paris france français française".split()
    ),
    and_word="et",
)

_OPENERS_ES = r"^[¿¡]?(?:(?:bueno|bien|vale|ok|sí|no|y|entonces|pues|gracias|perfecto|ahora),? [¿¡]?)*"
ES = NamePhrases(
    own=_named(r"\b(?:me llamo|mi nombre es) {onward}", r"\b(?:le|te|les) habla {onward}"),
    own_likely=_named(
        r"(?:^|[,.;:] |\b(?:hola|buenos días|buenas tardes|buenas|sí|y) )(?:yo )?(?:soy|aquí|habla) {onward}",
    ),
    presented=_named(
        r"\b(?:les presento a|os presento a|damos la bienvenida a|nos acompaña|con nosotros está|y este es|y esta es) {onward}",
        r"\b(?:le doy la palabra a|tiene la palabra|paso la palabra a|cedo la palabra a|escuchemos a) {onward}",
    ),
    asked=_named(
        _OPENERS_ES
        + r"{name},? [¿¡]?(?:qué|cómo|cuál|cuándo|cuánto|por qué|dónde|quién|puedes|puede|podrías|podría|quieres|quiere|tienes|tiene|tú|usted|estás|está|te toca|adelante|por favor|cuéntanos|tu opinión|su opinión)(?= |[?.!,]|$)",
        r"\b(?:tú|usted|opinas|piensas|opina|piensa|parece|dices|ves),? {name}\?$",
        r"\b(?:y tú|y usted|adelante|te toca),? {name}\b[?.!]?$",
        r", {name}\?$",
    ),
    thanked=_named(
        r"\b(?:muchas |muchísimas )?gracias(?: a ti| a usted| de nuevo)?,? {onward}",
        r"^{name},? (?:muchas )?gracias\b",
    ),
    greeted=_named(
        r"\b(?:hola|buenos días|buenas tardes|buenas noches|buenas|bienvenid[oa]|adiós|hasta luego),? {onward}"
    ),
    reported=re.compile(r"\b(?:dijo|dice|dicen|decía|si|que|imagina|como)[ :,\"'«]*$", re.IGNORECASE),
    origin=re.compile(r"^,? (?:de|del)\b", re.IGNORECASE),
    others=re.compile(r"^[, ]*(?:ella|él|ellos|que|quien|cuya?|nuestr[oa]|mi|su|es|era|ha|dice|dijo)\b", re.IGNORECASE),
    titles=frozenset("señor señora señorita sr sra srta don doña doctor doctora dr dra profesor profesora".split()),
    no_names=frozenset(
        "todos todas a por de del la el los las muchas usted ti señores señoras equipo dios lunes martes miércoles "
        "jueves viernes sábado domingo españa español española y".split()
    ),
    and_word="y",
)

ZH = NamePhrases(
    own=patterns(r"(?:我叫|我的名字是|我的名字叫|本人是)(?P<person>.{2,})"),
    own_likely=patterns(
        r"(?:^|[，。！,. 好])(?:我|这里|这边)是(?:[^，。？]{0,12}的)?(?P<person>.{2,})",
    ),
    presented=patterns(
        r"(?:有请|下面请|接下来请|欢迎|请允许我介绍)(?:[^，。？]{0,16}的)?(?P<person>.{2,})",
        r"^(?:那|那么|好|好的|，)*请(?P<person>.{2,}?)(?:来)?(?:发言|讲|说|介绍|汇报|回答|谈)",
    ),
    asked=patterns(
        rf"^(?:好|好的|那|那么|嗯|对|，)*{_NAME_ZH}[，, ](?:你|您|请|能|可以|麻烦|怎么看)",
        rf"^(?:好|好的|那|那么|嗯|对|，)*{_NAME_ZH}(?:你|您)(?:怎么|觉得|认为|能|可以|来|那边|有)",
        rf"[，,]{_NAME_ZH}[？?]$",
    ),
    thanked=patterns(
        r"(?:谢谢|感谢|多谢|辛苦了?)[，, ]?(?P<person>.{2,})",
        rf"^{_NAME_ZH}[，, ]?(?:谢谢|辛苦)",
    ),
    greeted=patterns(
        r"(?:你好|您好|早上好|下午好)[，, ]?(?P<person>.{2,})", rf"^{_NAME_ZH}[，, ]?(?:你好|您好|早上好)"
    ),
    reported=re.compile(r"(?:说|如果|假如|要是|问)[：:，, “\"]*$"),
    origin=re.compile(r"^(?=[，。,.]|$)", re.IGNORECASE),
    others=re.compile(r"^[，, ]*(?:她|他|我们的|是我)"),
    no_names=frozenset("大家 各位 你们 我们 他们 您们 同事们 领导 诸位 主持人 所有人 老师们".split()),
    and_word="和",
)

PHRASES = {"en": EN, "de": DE, "fr": FR, "es": ES, "zh": ZH, "yue": ZH}
