"""Words that carry no subject: function words, hesitations and the small change of meetings."""

# ruff: noqa: E501, SIM905  (lists of words are easier to read as text; ideographs count double)

from dataclasses import dataclass
from functools import cache

from pipelines.minutes.language.stopwords_listed import HESITATIONS, OWN, RELATED

ENGLISH = frozenset(
    """
    a about above across actually after again against ago all almost alright already also although always am an and another any
    anybody anyone anything anyway are aren't around as at away back basically be because been before being below
    between both but by came can can't cannot come comes coming could couldn't did didn't different do does doesn't
    doing don't done down during each either else enough even ever every everybody everyone everything exactly far few
    fine first for from further gave get gets getting give given gives go goes going gone gonna good got gotta guess guys
    had hadn't has hasn't have haven't having he he'd he'll he's hello help her here here's hers herself hi him himself
    his how how's however i i'd i'll i'm i've if in indeed instead into is isn't it it'd it'll it's its itself just
    keep kind kinda knew know known knows last later least less let let's lets like likely little long look looking looks
    lot lots made make makes making many may maybe me mean means meant might mine mm more most mostly much must my
    myself need needs neither never new next nice no nobody none nor not nothing now obviously of off oh ok okay old on
    once one ones only onto or other others otherwise ought our ours ourselves out over own particular particularly
    people perhaps please point possible possibly pretty probably put quite rather really right said same saw say saying
    says second see seem seems seen several shall she she'd she'll she's should shouldn't show since so some somebody
    somehow someone something sometimes somewhat somewhere soon sorry sort still stuff such sure take taken takes taking
    talk talked talking tell than thank thanks that that'd that'll that's the their theirs them themselves then there
    there's therefore these they they'd they'll they're they've thing things think thinking third this those though
    thought three through thus time times to today together told tomorrow too took toward towards tried try trying two
    uh um under unless until up upon us use used using usually very wanna want wanted wants was wasn't way ways we we'd
    we'll we're we've well went were weren't what what's whatever when where where's whether which while who who's whole
    whom whose why will with within without won't would wouldn't yeah yep yes yesterday yet you you'd you'll you're
    you've your yours yourself yourselves bit bye cool course eh fact great hmm huh interesting mhm mm-hmm nope point
    question sense sounds start started stuff terms true uh-huh whoa wow y'know everyone's somebody's that're wait mean
    afternoon morning evening everybody's goodbye welcome meeting item agenda discuss let move
    monday tuesday wednesday thursday friday saturday sunday
    """.split()
)

# Longer ones first, so that a piece of one does not hide it.
CHINESE_WORDS = tuple(
    sorted(
        """
        然后 就是说 就是 这个 那个 这些 那些 我们 你们 他们 她们 它们 咱们 自己 一个 一些 一下 一种 一样 一点 一直 一定 什么 怎么
        怎样 为什么 因为 所以 但是 但 如果 可能 觉得 其实 大家 现在 今天 明天 昨天 非常 时候 东西 没有 可以 比如 比如说 这样 那样
        那么 这么 还是 以及 对吧 是吧 的话 这边 那边 这里 那里 哪里 里面 上面 下面 之后 之前 以后 以前 之间 知道 看到 认为 我觉得
        很多 非常的 特别 比较 还有 而且 或者 并且 虽然 不过 已经 应该 需要 能够 不是 不要 不会 不能 不同 是不是 有没有 能不能
        要不要 会不会 可不可以 事情 问题 方面 情况 来说 来讲 进行 通过 对于 关于 由于 根据 按照 作为 成为 包括 同时 另外 此外 首先
        其次 最后 第一 第二 第三 第一个 第二个 第三个 谢谢 您好 你好 好的 行 嗯 那 这 各位 嘉宾 朋友 老师 女士 先生 主持人 刚才
        刚刚 当然 的确 确实 真的 真正 完全 基本上 某种 程度 整个 这种 那种 每个 每一个 其他 其它 任何 所有 多少 起来 出来 过来 下来
        过去 上来 出去 下去 开始 接下来 不知道 怎么样 有一个 也就是说 也就是 换句话说 我想 我认为 对不对 好不好 的时候 是一个 决定 负责 讨论 完成 一致 同意
        """.split(),
        key=len,
        reverse=True,
    )
)
CHINESE_CHARACTERS = frozenset(
    "的了是在和也都就很吧吗呢啊呀嘛哦哈我你您他她它们这那个有不要会去来说对把被跟与及或而且但从到让给做上下里中所以为因其之将已还再又才只"
    "能可想看讲得着过呃嗯额唔一二三四五六七八九十百千万两几多少些么什没最更太比等如果然后时候于于此该每各某"
)


@dataclass(frozen=True, kw_only=True)
class StopWords:
    """The stop words of a language, in lower case: ``words``, none where no list of them is known.

    ``chinese``: those of Chinese are taken out of runs of ideographs. ``english``: words lose the endings of English.
    """

    words: frozenset[str]
    chinese: bool = False
    english: bool = False

    @property
    def is_listed(self) -> bool:
        return bool(self.words)


MIXED = StopWords(words=ENGLISH, chinese=True, english=True)
"""English and Chinese, which are often mixed."""


@cache
def stop_words(language: str) -> StopWords:
    """Return the stop words of a language by Whisper's code."""
    from stopwordsiso import stopwords  # reads all its lists

    if language in ("en", "zh", "yue"):
        return MIXED
    words = OWN.get(language) or stopwords(RELATED.get(language, language))
    return StopWords(words=frozenset(words) | HESITATIONS if words else frozenset())
