"""The language of templates: Jinja's meaning for honest ones, and a bound on everything that hostile ones ask for."""

import re
import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from pipelines.errors import TemplateInvalid
from pipelines.export.templating.filters import FILTERS, TESTS
from pipelines.export.templating.interpreter import MAX_OUTPUT_CHARACTERS, fill
from pipelines.export.templating.layout import MAX_COLUMNS, MAX_PIECES
from pipelines.export.templating.run import check_template, lay_out
from pipelines.export.templating.values import MAX_NUMBER, MAX_STEPS, Markup

SOON_S = 20.0  # what is refused takes milliseconds, or the steps of a whole budget; machines that test are slow
DOUBLING = "{% set x = ['a', 'b'] %}"

HOSTILE = {
    "digits before the point": "{{ 7|round(-1000000000) }}",
    "digits behind the point": "{{ 7|round(1000000000, 'ceil') }}",
    "a list doubled 22 times": DOUBLING + "{% set x = [x, x] %}" * 22 + "{{ x|upper }}",
    "a list doubled 40 times": DOUBLING + "{% set x = [x, x] %}" * 40 + "{{ x|upper }}",
    "a tuple doubled 40 times": DOUBLING + "{% set x = (x, x) %}" * 40 + "{{ x|title }}",
    "doubled by a filter": "{% set x = [1] %}" + "{% set x = [0, 0]|map('default', x, true) %}" * 40 + "{{ x == x }}",
    "doubled by a filter, looked for": (
        "{% set x = [1] %}" + "{% set x = [0, 0]|map('default', x, true) %}" * 40 + "{{ 3 in x }}"
    ),
    "a list as text": "{{ decisions }}",
    "a mapping as text": "{{ decisions[0] }}",
    "a loop as text": "{% for d in decisions %}{{ loop }}{% endfor %}",
    "a list within join": "{{ [decisions]|join }}",
    "a list that is trimmed": "{{ decisions|trim }}",
    "text formatted by a test": "{{ '%1000000000d' is odd }}",
    "text formatted by divisibleby": "{{ '%1000000000d' is divisibleby 3 }}",
    "numbers that double": "{% set x = 999999999999999 %}" + "{% set x = x + x %}" * 60 + "{{ x }}",
    "a number of many digits": "{{ " + "9" * 4000 + " }}",
    "a number of too many digits": "{{ " + "9" * 10_000 + " }}",
    "a number of many digits in a text": "{{ '" + "9" * 4000 + "'|int }}",
    "a float as a whole number": "{{ 1e300|int }}",
    "an infinite number": "{{ 1e999|round(2, 'ceil') }}",
    "a zero": "{{ 1 is divisibleby 0 }}",
    "a length that is no length": "{{ title|truncate(2, false, 'longer') }}",
    "a negative leeway": "{{ title|truncate(9, leeway=-1) }}",
    "much to trim": "{{ title|trim('" + "x" * 1000 + "') }}",
    "loops in loops": "{% set x = [0,1,2,3,4,5,6,7,8,9] %}" + "".join(f"{{% for a{n} in x %}}" for n in range(12))
    + "x" + "{% endfor %}" * 12,
    "filters in loops": "{% set x = [0,1,2,3,4,5,6,7,8,9] %}" + "".join(f"{{% for a{n} in x %}}" for n in range(4))
    + "{{ x|sort|map('string')|unique|list|length }}" + "{% endfor %}" * 4,
    "much text": "{% set x = [0,1,2,3,4,5,6,7,8,9] %}" + "".join(f"{{% for a{n} in x %}}" for n in range(4))
    + "x" * 200 + "{% endfor %}" * 4,
    "deep brackets": "{{ " + "(" * 9000 + "1" + ")" * 9000 + " }}",
    "deep lists": "{{ " + "[" * 30 + "1" + "]" * 30 + " }}",
    "deep conditions": "{% if title %}" * 500 + "{% endif %}" * 500,
    "long chains of attributes": "{{ title" + ".a" * 9000 + " }}",
    "long chains of filters": "{{ title" + "|trim" * 3500 + " }}",
    "a method": "{{ title.upper }}",
    "a method by its name": "{{ title['upper'] }}",
    "a class": "{{ title.__class__ }}",
    "a method of a list": "{{ decisions.append }}",
    "a mapping's method": "{{ decisions[0].items }}",
    "a starred argument": "{{ decisions|join(*[', ']) }}",
    "a filter by a list's name": "{{ decisions|map([1]) }}",
    "a filter that is not allowed": "{{ decisions|map('pprint') }}",
    "a test that is not allowed": "{{ decisions|select('callable') }}",
    "too many arguments": "{{ title|upper(1, 2, 3) }}",
    "arguments without names": "{{ title|truncate(nonsense=1) }}",
    "lists in order": "{{ [[1], [2]]|sort }}",
    "lists before one another": "{{ [1] < [2] }}",
    "an order of everything": "{{ [1, 'a']|sort }}",
    "blocks": "{% block a %}{% endblock %}",
    "a namespace": "{% set title.x = 1 %}",
    "a set of text": "{% set x %}a{% endset %}",
    "more blocks than a document has": "{% set x = [0,1,2,3,4,5,6,7,8,9] %}"
    + "".join(f"{{% for a{n} in x %}}" for n in range(4)) + "- a\n" + "{% endfor %}" * 4,
    "more columns than a page has": "|" + "a|" * 200 + "\n|" + "-|" * 200 + "\n",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_templates_are_refused_soon(name: str) -> None:
    """Whatever a template asks for, it is refused with the enumerated reason, and soon."""
    started_s = time.process_time()
    with pytest.raises(TemplateInvalid) as refused:
        check_template(HOSTILE[name])
    assert time.process_time() - started_s < SOON_S
    assert len(str(refused.value)) < 300


def test_bounds_are_named() -> None:
    """What is too large is told with its bound."""
    for template, bound in (
        ("{{ 7|round(11) }}", "-10 to 10"),
        (f"{{{{ {MAX_NUMBER} + 1 }}}}", f"{MAX_NUMBER:,}"),
        (HOSTILE["a list doubled 40 times"], "10000 items"),
        (HOSTILE["deep lists"], "20 levels"),
        (HOSTILE["deep conditions"], "too deep"),
        (HOSTILE["more columns than a page has"], str(MAX_COLUMNS)),
        ("{{ decisions }}", "not for lists"),
    ):
        with pytest.raises(TemplateInvalid, match=bound):
            check_template(template)


def test_what_is_written_is_bounded() -> None:
    """A template writes so many characters at most, and lays out so many lines."""
    ten = {"ten": list(range(10)), "long": "x" * 10_000}
    loops = "{% for a in ten %}{% for b in ten %}{{ long }}{% endfor %}{% endfor %}"
    with pytest.raises(TemplateInvalid, match=str(MAX_OUTPUT_CHARACTERS)):
        fill(loops, ten, str)
    with pytest.raises(TemplateInvalid, match=str(MAX_PIECES)):
        lay_out("{% for a in many %}- a\n{% endfor %}", {"many": list(range(MAX_PIECES + 1))})


def test_what_is_made_is_paid_for() -> None:
    """Texts that are made and thrown away count as well."""
    with pytest.raises(TemplateInvalid, match="too long"):
        fill(
            "{% for a in many %}{% set x = long|upper %}{% endfor %}",
            {"many": list(range(1000)), "long": "x" * 90_000},
            str,
        )


WORDS = st.sampled_from(["ann", "Bob", "the station", "über", "", "a b  c", "7", "-x-"])
NUMBERS = st.integers(-40, 40)
VALUES = {
    "word": "the Office",
    "n": 7,
    "half": 2.5,
    "yes": True,
    "words": ["Bob", "ann", "carol", "ann"],
    "numbers": [3, 1, 2, 1],
    "none_there": [],
    "rows": [
        {"text": "Sign", "owner": "Alice", "n": 2, "in": {"deep": "x"}, "points": ["p", "q"]},
        {"text": "move", "owner": "", "n": 1, "in": {"deep": "y"}, "points": []},
    ],
}
HONEST = [
    "{{ word }}/{{ n }}/{{ half }}/{{ yes }}/{{ words[1] }}/{{ words[-1] }}/{{ word[2:] }}/{{ word[::-1] }}/",
    "{{ words[1:3]|join }}",
    (
        "{% for w in words %}{{ loop.index }}{{ loop.first }}{{ loop.last }}{{ loop.revindex }}"
        "{{ loop.length }}{{ w }},{% endfor %}"
    ),
    "{% for w in words if w != 'ann' %}{{ loop.index0 }}{{ w }}{% else %}nobody{% endfor %}",
    "{% for w in none_there %}{{ w }}{% else %}nobody{% endfor %}",
    (
        "{% for r in rows %}{{ r.text }} {{ r['owner'] or '?' }}{% for p in r.points %}{{ p }}"
        "{{ loop.index }}{% endfor %}{{ loop.index }};{% endfor %}"
    ),
    "{% set x = 1 %}{% for w in words %}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }}",
    "{% if n > 3 and n < 9 or not yes %}a{% elif n == 7 %}b{% else %}c{% endif %}{% if 1 < n <= 7 %}d{% endif %}",
    "{% if n > 9 %}a{% elif n == 7 %}{% set y = 'b' %}{% else %}c{% endif %}{{ y }}",
    "{{ 'a' if yes else 'b' }}{{ ('a' if not yes else 'b')|upper }}{{ n - 3 + 1 }}{{ -n }}",
    "{{ rows|map(attribute='text')|join(', ') }}|{{ rows|map(attribute='in.deep')|join }}|",
    "{{ rows|join('; ', attribute='owner') }}",
    "{{ rows|map(attribute='missing', default='-')|join }}|{{ words|map('upper')|list|join }}",
    "{{ rows|selectattr('owner')|map(attribute='text')|join }}|",
    "{{ rows|rejectattr('owner', 'equalto', 'Alice')|map(attribute='n')|join }}",
    "{{ words|select('equalto', 'ann')|list|length }}{{ numbers|reject('odd')|join }}",
    "{{ numbers|select|list|count }}",
    "{{ words|sort|join }}{{ words|sort(reverse=true, case_sensitive=true)|join }}",
    "{{ rows|sort(attribute='n')|map(attribute='text')|join }}",
    "{{ rows|sort(attribute='owner,n')|map(attribute='text')|join }}{{ words|unique|join }}",
    "{{ numbers|unique|sort|join('.') }}",
    "{{ words|first }}{{ words|last }}{{ word|first }}{{ word|last }}{{ words|reverse|join }}{{ word|reverse }}",
    "{{ 'abc'|list|join('-') }}",
    "{{ missing|default('d') }}{{ ''|d('e', true) }}{{ rows[0].nothing|default(n) }}{{ missing is defined }}",
    "{{ word is defined }}{{ missing is undefined }}",
    "{{ '17'|int }}{{ 'x'|int(3) }}{{ '1f'|int(base=16) }}{{ '2.9'|int }}{{ '2.5'|float }}{{ 'x'|float }}",
    "{{ half|int }}{{ n|float }}",
    "{{ half|round }}{{ 2.345|round(2) }}{{ 2.341|round(2, 'ceil') }}{{ 2.349|round(1, 'floor') }}",
    "{{ 1234|round(-2) }}{{ n|round }}",
    "{{ word|title }}{{ 'o-neill (the) <x'|title }}{{ word|capitalize }}{{ word|lower }}{{ word|upper }}",
    "{{ '  a '|trim }}{{ 'xax'|trim('x') }}",
    "{{ word|truncate(5) }}|{{ word|truncate(6, true, '…', 0) }}|{{ word|truncate(6, leeway=0) }}|",
    "{{ word|truncate }}|{{ n|upper }}",
    "{{ 'a' in word }}{{ 'ann' in words }}{{ 'x' not in words }}{{ 'text' in rows[0] }}{{ n in numbers }}",
    "{{ [1] == [1] }}{{ words == words }}{{ (1, 2)|length }}",
    "{{ n is odd }}{{ n is even }}{{ n is divisibleby 7 }}{{ n is number }}{{ word is string }}{{ n is none }}",
    "{{ none is none }}{{ yes is true }}{{ false is false }}",
    "{{ n is le 7 }}{{ n is ne 7 }}{{ n is not defined }}{{ rows[0].x is undefined }}",
    "{{ n is eq 7 }}{{ n is lt 8 }}{{ n is ge 7 }}{{ 'a' is in words }}{{ n is not odd }}{{ n is gt(3) }}",
    (
        "{% for a, b in [[1, 2], [3, 4]] %}{{ a }}{{ b }}{% endfor %}{% set p, q = 1, 2 %}{{ p }}{{ q }}"
        "{% for k in rows[0] %}{{ k }}{% endfor %}"
    ),
    (
        "{% for w in words %}{{ loop.previtem|default('^') }}{{ w }}{{ loop.nextitem|default('$') }} "
        "{% endfor %}{% for w in words %}{{ loop.depth }}{% endfor %}"
    ),
    "  {% if yes %}\n  x\n  {% endif %}\n{# gone #}\ny {%- if yes %} z{% endif -%} \n end{% raw %}{{ x }}{% endraw %}",
]  # fmt: skip


def by_jinja(template: str, values: Mapping[str, Any]) -> str:
    """What Jinja's own sandbox makes of it."""
    environment = SandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=lambda x: "" if x is None else x
    )
    return environment.from_string(template).render(values)


@pytest.mark.parametrize("template", HONEST)
def test_honest_templates_mean_what_jinja_says(template: str) -> None:
    """Scopes, loops, whitespace, every filter and every test: the text is Jinja's own."""
    assert fill(template, VALUES, str) == by_jinja(template, VALUES)


def test_every_filter_and_test_is_among_the_honest() -> None:
    """None can be forgotten above; signs stand for tests that have names."""
    text = " ".join(HONEST)
    assert [name for name in FILTERS if not re.search(rf"\|{name}\b", text)] == []
    assert [name for name in TESTS if name.isalpha() and not re.search(rf"is (not )?{name}\b|'{name}'", text)] == []


@given(word=WORDS, start=NUMBERS, end=NUMBERS, step=st.integers(-3, 3).filter(bool), width=st.integers(3, 12))
@settings(max_examples=200)
def test_texts_are_cut_and_changed_as_by_jinja(word: str, start: int, end: int, step: int, width: int) -> None:
    """Slices and filters of texts bring what Jinja brings, for all bounds."""
    template = (
        f"{{{{ w[{start}:{end}:{step}] }}}}|{{{{ w|truncate({width}) }}}}|{{{{ w|title }}}}"
        "|{{ w|int }}|{{ w|float }}|{{ w|trim }}|{{ w|capitalize }}"
        "|{{ [w, 'Ann', w]|sort|join('-') }}|{{ [w, 'Ann', w]|unique|list|length }}"
    )
    assert fill(template, {"w": word}, str) == by_jinja(template, {"w": word})


NAMES = st.sampled_from(
    ["title", "summary", "topics", "decisions", "participants", "loop", "x", "y", "nothing", "times"]
)
CONSTANTS = st.sampled_from(
    ["0", "1", "-1", "999999999999999", "1e308", "''", "'%9999999d'", "'9999'", "none", "true", "[]"]
)


def _expressions(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Every form of expression there is, of smaller ones; filters and tests with arguments that may not suit them."""
    args = st.lists(inner, max_size=3).map(lambda values: f"({', '.join(values)})" if values else "")
    names = st.sampled_from([*FILTERS, "center", "pprint", "attr"])
    return st.one_of(
        st.builds("({}|{}{})".format, inner, names, args),
        st.builds("({}|map('{}'))".format, inner, names),
        st.builds(
            "({}|{}('{}', '{}'))".format,
            inner,
            st.sampled_from(["selectattr", "rejectattr"]),
            NAMES,
            st.sampled_from([*TESTS]),
        ),
        st.builds("({} is {})".format, inner, st.sampled_from([name for name in TESTS if name.isalpha()])),
        st.builds(
            "({} {} {})".format, inner, st.sampled_from(["+", "-", "<", ">=", "==", "!=", "in", "and", "or"]), inner
        ),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("[{}, {}, {}]".format, inner, inner, inner),
        st.builds("({}[{}])".format, inner, inner),
        st.builds("({}[{}:{}])".format, inner, inner, inner),
        st.builds(
            "({}.{})".format, inner, st.sampled_from(["text", "points", "index", "length", "__class__", "upper"])
        ),
        st.builds("(not {})".format, inner),
        st.builds("(-{})".format, inner),
    )


EXPRESSIONS = st.recursive(st.one_of(NAMES, CONSTANTS), _expressions, max_leaves=8)


def _statements(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("{{% for x in {} %}}{}{{% else %}}{}{{% endfor %}}".format, EXPRESSIONS, inner, inner),
        st.builds("{{% for x in [x, x, x, x, x, x] %}}{}{{% endfor %}}".format, inner),
        st.builds("{{% if {} %}}{}{{% else %}}{}{{% endif %}}".format, EXPRESSIONS, inner, inner),
        st.builds("{}{}{}".format, inner, inner, inner),
        st.integers(1, 30).map(lambda n: "{% set x = [x, x] %}" * n),
    )


TEMPLATES = st.recursive(
    st.one_of(
        EXPRESSIONS.map("{{{{ {} }}}}".format),
        st.builds("{{% set {} = {} %}}".format, st.sampled_from(["x", "y"]), EXPRESSIONS),
        st.text(max_size=20),
    ),
    _statements,
    max_leaves=12,
)


@given(TEMPLATES)
@settings(max_examples=400)
def test_no_template_is_out_of_bounds(template: str) -> None:
    """Generated templates are filled or refused: no other error, no long time, no long text."""
    started_s = time.process_time()
    try:
        text = fill(
            template[:20_000],
            {**VALUES, "title": "t", "summary": "s", "decisions": VALUES["rows"], "times": Markup("[1](#t)")},
            str,
        )
        assert len(text) <= MAX_OUTPUT_CHARACTERS
    except TemplateInvalid:
        pass
    assert time.process_time() - started_s < SOON_S


def test_a_whole_budget_takes_seconds_at_most() -> None:
    """The dearest steps there are take about a microsecond each: the budget is one of time."""
    started_s = time.process_time()
    loops = "{% for a in m %}{% for b in m %}{% if a + b - a + b - a + b - a == 1 %}{% endif %}{% endfor %}{% endfor %}"
    with pytest.raises(TemplateInvalid, match="too long"):
        fill(loops, {"m": list(range(300))}, str)
    assert time.process_time() - started_s < SOON_S
    assert MAX_STEPS <= 1_000_000
