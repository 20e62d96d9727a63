"""The files of a job's results."""

from cluster.client.result_files import result_files


def test_transcripts_in_other_languages_are_named_by_them() -> None:
    """As players look for subtitles; minutes are those of the job, once."""
    job = {
        "results": {"transcript.srt": "/a", "minutes.docx": "/b"},
        "translations": [
            {"language": "zh-Hant", "results": {"transcript.srt": "/a?z", "minutes.docx": "/b?z"}},
            {"language": "fr", "results": {}},
        ],
    }
    assert dict(result_files(job)) == {
        "transcript.srt": "/a",
        "minutes.docx": "/b",
        "transcript.zh-Hant.srt": "/a?z",
    }


def test_a_cluster_of_an_earlier_version() -> None:
    """Its jobs have no translations."""
    assert list(result_files({"results": {"transcript.txt": "/a"}})) == [("transcript.txt", "/a")]
