"""Wire models: what they take, what they refuse, and that nothing is lost on the way."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.intake.submission import clean_filename, merge_options
from deployments.schemas.jobs import JobBody
from deployments.schemas.options import Options
from deployments.sources.urls import public_part
from pipelines.core import BlobRef
from pipelines.errors import InvalidOptions, Reason
from pipelines.jobs.job import Job, JobOptions, JobState, Progress
from pipelines.text.languages import LANGUAGES

NAMES = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=20)
OPTIONS = st.builds(
    JobOptions,
    model=NAMES,
    language=st.none() | st.sampled_from(sorted(LANGUAGES)),
    channels=st.sampled_from(["mix", "split"]),
    word_timestamps=st.booleans(),
    beam_size=st.integers(1, 10),
    minutes=st.sampled_from(["auto", "extractive", "none"]),
    minutes_language=st.none(),
    priority=st.integers(-100, 100),
    speakers=st.lists(NAMES, max_size=16).map(tuple),
    track=st.none() | st.just("all") | st.integers(1, 99).map(str),
)


@given(OPTIONS)
def test_options_round_trip(options):
    """Options that a job shows can be sent again and mean the same job, as JSON and as dataclass."""
    shown = Options.from_domain(options)
    assert Options.parse(shown.model_dump(mode="json")).to_domain("other") == options


def test_defaults_are_those_of_the_domain():
    """Leaving everything out gives the domain's defaults and the default model."""
    assert Options.parse({}).to_domain("mini-en") == JobOptions(model="mini-en")


def test_options_of_a_job_are_shown_whatever_they_are():
    """A tenant's vocabulary comes on top of what a submitter may give: the job can be shown all the same."""
    words = tuple(f"word {number}" for number in range(300))
    assert Options.from_domain(JobOptions(model="m", vocabulary=words)).model_dump()["vocabulary"] == words


def test_every_domain_option_is_on_the_wire():
    """No option of a job is unreachable over HTTP."""
    assert set(Options.model_fields) == set(JobOptions.__dataclass_fields__)


@given(
    st.dictionaries(
        st.sampled_from(sorted(Options.model_fields)) | st.text(max_size=10),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=5,
        ),
        max_size=4,
    )
)
def test_any_json_is_taken_or_refused(values):
    """Whatever JSON comes as options is either valid options or refused with the fields that are wrong."""
    outcome = parsed_or_refused(values)
    if isinstance(outcome, InvalidOptions):
        assert outcome.errors
        assert str(outcome)
        assert pickle.loads(pickle.dumps(outcome)).errors == outcome.errors
    else:
        assert set(values) <= set(Options.model_fields)
        assert 1 <= outcome.beam_size <= 10


def parsed_or_refused(values):
    """Parse options; return the refusal instead of raising it."""
    try:
        return Options.parse(values)
    except InvalidOptions as error:
        return error


@pytest.mark.parametrize("speakers", [["a\nb"], ["x" * 101], ["a"] * 17])
def test_bad_speakers(speakers):
    """Names that are too long, too many or hold control characters are refused."""
    with pytest.raises(InvalidOptions):
        Options.parse({"speakers": speakers})


@pytest.mark.parametrize("tag", ["en", "zh-Hant", "pt-BR"])
def test_minutes_languages(tag):
    """BCP 47 tags are taken as they are."""
    assert Options.parse({"minutes_language": tag}).model_dump()["minutes_language"] == tag


def test_merge():
    """Options come together from query, form and JSON; only speakers may be repeated."""
    merged = merge_options({"language": ["en"]}, {"speakers": ["a", "b"], "model": [""]}, {"priority": 3})
    assert merged == {"language": "en", "speakers": ["a", "b"], "priority": 3}
    for query, fields, json in (
        ({"model": ["a"]}, {"model": ["a"]}, {}),
        ({"model": ["a", "b"]}, {}, {}),
        ({}, {"speakers": ["a"]}, {"speakers": ["b"]}),
    ):
        with pytest.raises(InvalidOptions, match="more than once"):
            merge_options(query, fields, json)


@given(st.text(max_size=400))
def test_clean_filename(name):
    """Any text becomes a name that can be shown: not empty, bounded, printable, without folders; twice is once."""
    clean = clean_filename(name)
    assert clean
    assert len(clean.encode("utf-8", "surrogatepass")) <= 255
    assert clean.isprintable()
    assert "/" not in clean
    assert "\\" not in clean
    assert clean not in (".", "..")
    assert clean_filename(clean) == clean


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pass@host:8443/a/b.wav?sig=1#x", "https://host:8443/a/b.wav"),
        ("file:///srv/a.wav", "file:///srv/a.wav"),
        ("", ""),
    ],
)
def test_public_part(url, shown):
    """What may be secret in a URL is not shown."""
    assert public_part(url) == shown


def test_job_body():
    """A job's JSON has every field that clients rely on, with rounded seconds and paths for its results."""
    job = Job(
        id="j1",
        tenant="default",
        options=JobOptions(model="mini-en"),
        source=BlobRef(key="default/j1/source", n_bytes=5, sha256="ab"),
        filename="a.wav",
        created_at_s=1_750_000_000.0,
        version=4,
        cancel_requested=True,
        state=JobState.TRANSCRIBING,
        progress=Progress(audio_s=1 / 3, done_s=0.1 + 0.2),
        results=("transcript.json",),
    )
    body = JobBody.from_domain(job, 1.26, "").model_dump(mode="json")
    assert body["progress"] == {"audio_s": 0.333, "done_s": 0.3}
    assert body["eta_s"] == 1.3
    assert body["created_at"] == body["updated_at"] == "2025-06-15T15:06:40Z"
    assert body["results"] == {"transcript.json": "/v1/jobs/j1/results/transcript.json"}
    assert body["cancel_requested"] is True
    assert "key" not in body["source"]
    assert Reason.INTERNAL not in body.values()


@pytest.mark.parametrize(
    ("given", "track"), [({}, None), ({"track": 2}, "2"), ({"track": "2"}, "2"), ({"track": "all"}, "all")]
)
def test_a_sound_track_is_a_number_or_all(given, track):
    """As a number of JSON, or as text of a form."""
    assert Options.parse(given).to_domain("m").track == track


@pytest.mark.parametrize("track", ["0", 0, -1, "100", "first", "ALL", 1.0, True, ["1"]])
def test_what_is_no_sound_track_is_refused(track):
    """In words that say what is taken."""
    with pytest.raises(InvalidOptions) as caught:
        Options.parse({"track": track})
    ((field, words),) = caught.value.errors
    assert (field, words.startswith("must be")) == ("track", True)
