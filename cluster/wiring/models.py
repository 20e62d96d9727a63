"""Configured models: their files, and what is known of each."""

from dataclasses import replace

from cluster.settings.sections import ModelSettings
from cluster.settings.settings import Settings
from pipelines.models.catalogue import ModelFiles, is_english_only, read_profile, resolve
from pipelines.models.profile import ModelProfile


def model_files(settings: Settings, model: ModelSettings) -> ModelFiles:
    """Find a configured model; raises `ModelUnknown` and `ModelUnavailable`."""
    return resolve(model.path or model.name, settings.models_dir)


def real_model_hint(settings: Settings) -> str:
    """Return what to do for recordings of real voices where every model knows synthetic ones only, "" elsewhere.

    Raises `ModelUnknown` and `ModelUnavailable`.
    """
    for model in settings.models:
        if profile_of(model_files(settings, model)).min_avg_logprob is None:
            return ""
    names = ", ".join(model.name for model in settings.models)
    return (
        f"{names}: trained on synthetic voices, for trying out. For real recordings: `meetmemo models pull base`, then "
        "`--model base` here or `models` in the settings."
    )


def profile_of(files: ModelFiles) -> ModelProfile:
    """Return what is known about a model; published models carry no profile, but vocabulary and name tell.

    Some speak English only; the turbo and distilled ones were not trained to translate.
    """
    profile = read_profile(files.path)
    if profile.languages is None and is_english_only(files.path):
        profile = replace(profile, languages=("en",))
    trained = not (files.name.startswith("distil-") or files.name.endswith("turbo"))
    return replace(profile, translates=profile.translates and trained)
