"""``meetmemo models tune``: which batch size suits a model on this machine."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cluster.cli.common.target import USUAL_HOME, Group, HomeTarget
from cluster.serve.engine_share import share_of
from cluster.settings.sections import ModelSettings
from pipelines.errors import EmptyAudio
from pipelines.models.catalogue import read_profile, resolve
from pipelines.models.devices import find_devices, usable_cores
from pipelines.whisper.options import DecodeOptions, DecodeRequest

LONGEST_S = 24 * 3600.0  # only as much is read as the rows need
MAX_ROWS = 256


def add_tune(app: Group, console: Console) -> None:
    """Add the command to those about models."""

    @app.command("tune")
    def tune(
        name: Annotated[str, typer.Argument(help="A model from `meetmemo models list`, or a folder.")],
        recording: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Speech of the usual kind.")],
        seconds: Annotated[float, typer.Option(min=1, help="How long to try, loading apart.")] = 60.0,
        home: HomeTarget = USUAL_HOME,
    ) -> None:
        """Try batches of more and more rows of a recording; the machine should do nothing else meanwhile."""
        from pipelines.whisper.batch_size_probe import SIZES, best_size, try_sizes
        from pipelines.whisper.engine import WhisperEngine

        settings = home.settings()
        files = resolve(name, settings.models_dir)
        n_gpus, n_cores = sum(device.kind == "cuda" for device in find_devices()), usable_cores()
        model = ModelSettings(name=files.name, batch_size=SIZES[-1])
        share = share_of(settings, model, n_gpus=min(n_gpus, 1), n_cpus=n_cores, node_cpus=n_cores)
        engine = WhisperEngine.load(files.path, share.engine_options(model))
        engine.warm_up()
        window_s = read_profile(files.path).window_s
        rows = list(itertools.islice(_rows(recording, window_s, engine.languages[0]), MAX_ROWS))
        if not rows:
            raise EmptyAudio(f"There is no speech in {recording}.")
        trials = []
        for trial in try_sizes(engine, rows, decode_slots=share.decode_slots, budget_s=seconds):
            console.print(f"{trial.size:4} rows: {trial.speed:8.1f} × real time, a batch takes {trial.batch_s:.2f} s")
            trials.append(trial)
        console.print(f"Settings: batch_size: {best_size(trials)} for the model {files.name} ({engine.info.device}).")


def _rows(recording: Path, window_s: float, language: str) -> Iterator[DecodeRequest]:
    """Yield rows as the Segmenter would cut them."""
    # Imported for this command only: the others need no FFmpeg.
    from pipelines.audio.decode import decode_audio
    from pipelines.audio.segmentation import SegmentationOptions, split_audio

    for draft in split_audio(decode_audio(recording, max_duration_s=LONGEST_S), SegmentationOptions(window_s=window_s)):
        for chunk in draft.chunks:
            yield DecodeRequest(pcm=draft.row(chunk), index=chunk.index, options=DecodeOptions(language=language))
