"""The bundled models: what each hears, and where its files are."""

from dataclasses import dataclass
from pathlib import Path

_PROJECT = Path(__file__).parents[1]
_SHIPPED = _PROJECT.parents[1] / "pipelines" / "models"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A bundled model. ``packages``: the Debian packages of its voices and texts."""

    name: str
    languages: tuple[str, ...]
    packages: str

    @property
    def shipped(self) -> Path:
        """The converted model."""
        return _SHIPPED / self.name

    @property
    def committed(self) -> Path:
        """The weights to go on from."""
        return _PROJECT / "checkpoint" / f"{self.name}.pt"


_ENGLISH = "flite espeak-ng wordnet-base fortunes bible-kjv bible-kjv-text libtcmalloc-minimal4"
MINI_EN = Recipe(name="mini-en", languages=("en",), packages=_ENGLISH)
MINI_ZH_EN = Recipe(name="mini-zh-en", languages=("zh", "en"), packages=_ENGLISH + " libreoffice-help-zh-cn")
RECIPES = {recipe.name: recipe for recipe in (MINI_EN, MINI_ZH_EN)}
