"""Policies of languages, made of the settings."""

from cluster.settings.sections import LanguageSettings
from cluster.wiring.limits import language_policies
from pipelines.transcript.language_detection import LanguagePolicy


def test_a_tenants_policy_of_languages_stands_on_the_common_one() -> None:
    """What it does not set is everybody's; languages are written as people write them."""
    settings = LanguageSettings.model_validate(
        {
            "allowed": ["English", "zh-CN"],
            "tenants": {"acme": {"doubtful_below": 0.3}, "globex": {"allowed": "Deutsch"}},
        }
    )
    assert language_policies(settings) == {
        "": LanguagePolicy(allowed=("en", "zh")),
        "acme": LanguagePolicy(allowed=("en", "zh"), doubtful_below=0.3),
        "globex": LanguagePolicy(allowed=("de",)),
    }
