"""Names of downloads in the header that clients save them by."""

from urllib.parse import unquote

import pytest

from deployments.http.content_disposition import attachment


@pytest.mark.parametrize("stem", ["a" * 251, "会议" * 100, "Büro", 'a"b\\c%d/e', "\ud800"])
def test_both_forms_are_names_of_files(stem, tmp_path):
    """The ASCII form and the encoded one fit into 255 bytes with what browsers append, and keep the ending."""
    value = attachment(stem, ".minutes.docx")
    assert value.isascii()
    plain = value.split('filename="')[1].split('"')[0]
    named = unquote(value.split("filename*=UTF-8''")[1])
    for name in (plain, named.replace("/", "_")):
        assert name.endswith(".minutes.docx")
        (tmp_path / f"{name}.crdownload").touch()


def test_a_common_name_stays():
    """What fits is told as it is."""
    assert attachment("Büro", ".pdf") == "attachment; filename=\"B_ro.pdf\"; filename*=UTF-8''B%C3%BCro.pdf"
