"""Docstrings of functions and methods begin with a verb in the imperative; ruff's D401 overlooks most other words."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.python_commands import is_python_command

ROOT = Path(__file__).parents[3]
FOLDERS = ("cluster", "deployments", "pipelines", "scripts")
NOT_YET = ("pipelines/audio", "pipelines/transcript", "pipelines/whisper")  # their docstrings are still to be rewritten

CAPITALISED = re.compile("[A-Z][a-z]+")
NO_VERB = re.compile(
    "A|All|An|And|Any|Anybody|Anything|As|At|Because|Before|Both|But|By|Each|Either|Enough|Every|Everybody|Everything|"
    "Few|For|From|Half|He|Here|How|If|In|Into|It|Less|Many|More|Most|Much|Neither|No|Nobody|None|Not|Nothing|Of|On|One|"
    "Only|Or|Our|Over|She|Some|Somebody|Something|Such|That|The|Their|Then|There|These|They|Those|To|Two|Under|Until|"
    "Up|We|What|Whatever|When|Where|Whether|Which|While|Who|Whoever|Whole|Whom|Whose|Why|With|Within|Without|You|Your|"
    ".*[^s]s"
)
"""Articles, pronouns, quantifiers, prepositions, conjunctions, question words, plurals and the third person."""


def begins_with_a_verb(docstring: str) -> bool:
    """Say whether the first word can be a verb in the imperative: not code, a number, a name or one of `NO_VERB`.

    Nouns in the singular pass, as many are verbs too.
    """
    word = docstring.split()[0].rstrip(".,:;")
    return CAPITALISED.fullmatch(word) is not None and NO_VERB.fullmatch(word) is None


def sources(folder: Path) -> Iterator[Path]:
    """Yield the modules and Python scripts below a folder."""
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".py" or is_python_command(path):
            yield path


def is_judged(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Say whether a function is neither a property nor a test: those have nouns and sentences."""
    decorators = {ast.unparse(each).rpartition(".")[2] for each in function.decorator_list}
    return not decorators & {"property", "cached_property"} and not function.name.startswith("test_")


def complaints(tree: ast.AST) -> Iterator[str]:
    """Yield line, name and first line of each docstring that does not begin with a verb."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and is_judged(node):
            docstring = ast.get_docstring(node)
            if docstring and not begins_with_a_verb(docstring):
                yield f"{node.lineno}: {node.name}: {docstring.splitlines()[0]}"


@pytest.mark.parametrize("folder", FOLDERS)
def test_docstrings_of_functions_begin_with_a_verb(folder: str) -> None:
    """A reader learns what a call does from its first word, in modules and in scripts."""
    found = [
        f"{path.relative_to(ROOT)}:{complaint}"
        for path in sources(ROOT / folder)
        if not path.relative_to(ROOT).as_posix().startswith(NOT_YET)
        for complaint in complaints(ast.parse(path.read_bytes()))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "docstring",
    [
        "The first chunk.",
        "Whether a chunk is left.",
        "What a chunk costs.",
        "Chunks of a job.",
        "Returns the first chunk.",
        "``clock`` gives Unix seconds.",
        "SHA-256 of a file.",
        "16 hex digits.",
    ],
)
def test_other_beginnings_are_found(docstring: str) -> None:
    """Articles, question words, plurals, the third person, code, names and numbers are no verbs."""
    assert len(list(complaints(ast.parse(f'def function():\n    """{docstring}"""')))) == 1


def test_verbs_properties_and_tests_pass() -> None:
    """A property names a value, a test states a fact."""
    source = '''
class Job:
    @property
    def id(self):
        """The job's id."""

    def run(self):
        """Pass the job on."""

def test_ends():
    """A job ends."""
'''
    assert not list(complaints(ast.parse(source)))
