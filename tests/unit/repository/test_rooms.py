"""Rooms of the code: neither so full that nothing is found in them, nor so small that they are only a prefix."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MOST_MODULES = 20
FEWEST_MODULES = 3
LARGE = {"pipelines/ledger/migrations/versions": "one for each revision of the ledger, for good"}
SMALL = {
    "cluster": "only `app`, whose import path stands in every Serve configuration",
    "pipelines/ledger/migrations": "Alembic's environment; its revisions lie below",
}
ROOMS = sorted(
    str(init.parent.relative_to(ROOT))
    for floor in ("cluster", "deployments", "pipelines")
    for init in (ROOT / floor).rglob("__init__.py")
)


@pytest.mark.parametrize("room", ROOMS)
def test_size_of_a_room(room: str) -> None:
    """A folder has 3 to 20 modules; those with fewer or more have a reason."""
    modules = [path for path in (ROOT / room).glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= MOST_MODULES or room in LARGE
    assert len(modules) >= FEWEST_MODULES or room in SMALL


def test_every_folder_is_a_package() -> None:
    """Setuptools packs folders with an ``__init__.py`` only."""
    folders = {
        path.parent for floor in ("cluster", "deployments", "pipelines") for path in (ROOT / floor).rglob("*.py")
    }
    bare = [folder for folder in folders if not (folder / "__init__.py").exists()]
    assert [folder for folder in bare if folder.name != "versions"] == []
