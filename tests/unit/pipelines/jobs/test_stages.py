"""The table of stages: each option of a job belongs to one, or is known to belong to none."""

from pipelines.jobs.options import MINUTES_OPTIONS, options_of
from pipelines.jobs.stages import STAGES, Stage, Work, kept_by

OF_NO_STAGE = {
    *("mask", "mask_audio", "mask_regions"),  # what was hidden stays hidden
    *("channels", "track"),  # the copy of a recording has those that were transcribed
    *("keep_audio", "reuse", "source_patience_s"),  # of a recording that is submitted
    *("deadline", "recipients", "webhook_url"),  # as they were, or not again
}


def test_every_option_is_read_or_known_not_to_be() -> None:
    """A new option is put into the table, or into the list above with the reason."""
    read = {name for rule in STAGES.values() for name in rule.options}
    assert read | OF_NO_STAGE == {option.name for option in options_of()}
    assert not read & OF_NO_STAGE


def test_what_is_kept() -> None:
    """All before a stage; minutes have all options that are about them, and need no sound, as documents."""
    assert kept_by(Stage.LANGUAGE) == ()
    assert kept_by(Stage.MINUTES) == (Stage.LANGUAGE, Stage.WORDS, Stage.SPEAKERS)
    assert set(MINUTES_OPTIONS) <= set(STAGES[Stage.MINUTES].options)
    assert [stage for stage in Stage if STAGES[stage].work is Work.NONE] == [Stage.MINUTES, Stage.DOCUMENTS]
