"""Names are cut by bytes, the ending counted, and whole characters stay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.text.file_names import DOWNLOAD_NAME_BYTES, MAX_NAME_BYTES, bounded_name


@given(st.text(max_size=400), st.text(max_size=300), st.integers(1, 300))
def test_bounded(stem, ending, max_bytes):
    """Any name fits, keeps its ending where that has room, and is left alone where it fits as it is."""
    name = bounded_name(stem, ending, max_bytes=max_bytes)
    assert len(name.encode("utf-8", "surrogatepass")) <= max_bytes
    whole = stem + ending
    if len(whole.encode("utf-8", "surrogatepass")) <= max_bytes:
        assert name == whole
    elif len(ending.encode("utf-8", "surrogatepass")) <= max_bytes:
        assert name.endswith(ending)
        assert stem.startswith(name.removesuffix(ending))


@pytest.mark.parametrize("max_bytes", [MAX_NAME_BYTES, DOWNLOAD_NAME_BYTES])
def test_no_character_is_cut_through(max_bytes):
    """Ideographs have three bytes: as many as fit before the ending are kept."""
    name = bounded_name("会" * 255, ".minutes.docx", max_bytes=max_bytes)
    assert name == "会" * ((max_bytes - len(".minutes.docx")) // 3) + ".minutes.docx"


def test_a_file_system_takes_it(tmp_path):
    """A folder of this name, and a second one for a file of the same stem, can be made."""
    for ending in ("", "-2"):
        (tmp_path / bounded_name("x" * 255, ending)).mkdir()
