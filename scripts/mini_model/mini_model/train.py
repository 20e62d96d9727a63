"""The training loop: several processes, each with its own windows, one optimizer step after every few seconds.

1. `train` starts the processes; `_Trainer.run` is the life of each.
2. Until the step's time is up, every process draws small batches and adds up gradients (`_accumulate`).
3. Gradients and counts are summed over all processes, and every one takes the same step (`_step`).
4. The first process averages weights, prints progress and saves the checkpoint that a killed run goes on from.

Processes with one thread each share a busy machine better than threads, which wait for one another in every layer:
here a process that is slowed down computes less, and none waits.
"""

import math
import os
import tempfile
import time
from collections.abc import Container
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn

from mini_model import checkpoint
from mini_model.model import BLANK, HOP, MiniWhisper, Size, log_mel
from mini_model.optim import optimizers
from mini_model.pool import Pool
from mini_model.tokenizer import Vocabulary
from mini_model.windows import IGNORED, Batch, Shares, WindowMaker, draw_layout

_WARM_UP_STEPS = 40
_SAVE_EVERY_S = 120
_LABEL_SMOOTHING = 0.05
_LETTERS_WEIGHT = 0.2
_AVERAGE = 0.97


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The options of a training. The learning rates fall to zero when ``hours`` of training are over."""

    speech: Path
    tokenizer: Path
    out: Path
    start_from: Path | None
    hours: float
    start_tokenizer: Path | None = None
    """That of ``start_from``, where it differs."""
    device: str = "cpu"
    processes: int = 2
    batch_s: float = 30.0
    """Seconds of sound that one process computes at once."""
    step_s: float = 12.0
    """Time between two optimizer steps; 0: a step after every batch."""
    lr: float = 6e-4
    matrix_lr: float = 5e-3
    size: Size = field(default_factory=Size)
    shares: Shares = field(default_factory=Shares)


def train(plan: Plan, held_out: Container[str]) -> None:
    """Train until ``plan.hours`` are used up, going on from ``plan.out`` if it exists."""
    if plan.processes == 1:
        _Trainer(plan, held_out, rank=0).run()
        return
    with tempfile.TemporaryDirectory() as meeting_place:
        store = f"{meeting_place}/store"
        spawn(_process, args=(plan, held_out, store), nprocs=plan.processes)  # type: ignore[no-untyped-call]  # torch's


def _process(rank: int, plan: Plan, held_out: Container[str], store: str) -> None:
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // plan.processes))
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=plan.processes)
    try:
        _Trainer(plan, held_out, rank).run()
    finally:
        dist.destroy_process_group()


class _Trainer:
    def __init__(self, plan: Plan, held_out: Container[str], rank: int) -> None:
        self.plan, self.rank, self.device = plan, rank, torch.device(plan.device)
        self.dtype = fastest_dtype(self.device)
        torch.manual_seed(0)
        self.vocabulary = Vocabulary(plan.tokenizer)
        # Fused attention on a CPU hardly gains by bfloat16: products and softmax took half its time on AMD's Zen 5.
        attention = "eager" if (plan.device, self.dtype) == ("cpu", torch.bfloat16) else "sdpa"
        self.model = MiniWhisper(self.vocabulary, plan.size, attention).to(self.device)
        self.adam, self.muon = optimizers(self.model, self.dtype, lr=plan.lr, matrix_lr=plan.matrix_lr)
        self.trained_s, self.steps = 0.0, 0
        self.averaged = self._restore()
        self.pool = Pool(plan.speech, held_out)
        self.windows = WindowMaker(self.pool, self.vocabulary, plan.shares, seed=1000 * self.steps + rank)
        self.first_timestamp = self.vocabulary.first_timestamp
        self.parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        for parameter in self.parameters:
            parameter.grad = torch.zeros_like(parameter)
        self._batch_s = 0.0
        self._parent = os.getppid()
        if rank == 0:
            print(f"{len(self.pool.clips)} clips, {self.dtype} on {self.device}, step {self.steps}", flush=True)

    def run(self) -> None:
        last, saved = time.monotonic(), time.monotonic()
        while (used := self.trained_s / (self.plan.hours * 3600)) < 1:
            self._set_rates(used)
            sums = self._accumulate()
            self._step(sums)
            # All processes follow the first one's clock, so that they stop after the same step.
            now = time.monotonic()
            self.trained_s += float(
                self._sum(torch.tensor([now - last if self.rank == 0 else 0.0], dtype=torch.float64))
            )
            last = now
            if self.rank == 0 and self.steps % 10 == 0:
                self._report(sums, used)
            if os.getppid() != self._parent:
                break  # killed: nobody waits for this process any more
            if now - saved > _SAVE_EVERY_S:
                saved = now
                self.pool.refresh()
                self._save()
        self._save()

    def _restore(self) -> dict[str, Tensor]:
        """Go on from the run's own checkpoint or from given weights; returns the averaged weights."""
        if self.plan.out.exists():
            state = checkpoint.load(self.plan.out)
            self.model.load_state_dict(state["model"])
            self.adam.load_state_dict(state["adam"])
            self.muon.load_state_dict(state["muon"])
            self.trained_s, self.steps = state["trained_s"], state["steps"]
            return {name: tensor.to(self.device) for name, tensor in state["averaged"].items()}
        if self.plan.start_from:
            weights = checkpoint.weights_of(checkpoint.load(self.plan.start_from))
            if self.plan.start_tokenizer:
                weights = checkpoint.grown(weights, Vocabulary(self.plan.start_tokenizer), self.vocabulary)
            self.model.load_state_dict(weights)
        return {name: tensor.clone() for name, tensor in self.model.state_dict().items()}

    def _set_rates(self, used: float) -> None:
        factor = min(1.0, (self.steps + 1) / _WARM_UP_STEPS) * 0.5 * (1 + math.cos(math.pi * used))
        for optimizer, rate in ((self.adam, self.plan.lr), (self.muon, self.plan.matrix_lr)):
            for group in optimizer.param_groups:
                group["lr"] = factor * rate

    def _accumulate(self) -> Tensor:
        """Accumulate the gradients of as many batches as the step's time allows.

        Returns sums of loss, CTC loss, right tokens, tokens and seconds.
        """
        self.model.zero_grad(set_to_none=False)
        sums = torch.zeros(5, dtype=torch.float64)
        begin = time.monotonic()
        while True:
            started = time.monotonic()
            layout = draw_layout(self.windows.rng)
            n_windows = max(1, round(self.plan.batch_s / layout.seconds))
            sums += self._gradients(self.windows.batch(layout, n_windows))
            self._batch_s = 0.8 * self._batch_s + 0.2 * (time.monotonic() - started)
            if time.monotonic() - begin + self._batch_s / 2 > self.plan.step_s:
                return sums

    def _gradients(self, batch: Batch) -> Tensor:
        mel = log_mel(batch.samples.to(self.device))
        for features, n_heard in zip(mel, batch.n_heard.tolist(), strict=True):
            features[:, n_heard // HOP :] = 0
        mel = spectrum_gaps(mel, self.windows, self.plan.shares.mix.spectrum_gaps)
        labels, rows = batch.labels.to(self.device), batch.window_of.to(self.device)
        with torch.autocast(self.device.type, self.dtype) if self.dtype != torch.float32 else nullcontext():
            logits, letters = self.model(mel, rows, batch.tokens.to(self.device))
        text_loss = smoothed_loss(logits.float(), labels, self.first_timestamp)
        letter_loss = _letter_loss(letters[batch.lettered.to(self.device)].float(), batch)
        asked = labels != IGNORED
        n_tokens = asked.sum()
        torch.autograd.backward(text_loss + _LETTERS_WEIGHT * letter_loss * n_tokens)
        right = ((logits.argmax(-1) == labels) & asked).sum()
        seconds = torch.tensor(float(mel.shape[0] * mel.shape[2]) / 100)
        values = (text_loss.detach(), letter_loss.detach() * n_tokens, right, n_tokens, seconds)
        return torch.stack([value.to("cpu", torch.float64) for value in values])

    def _step(self, sums: Tensor) -> None:
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        self._sum(flat)
        self._sum(sums)
        flat /= float(sums[3])
        flat *= min(1.0, 1.0 / (float(flat.norm()) + 1e-6))
        for gradient, part in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))
        self.adam.step()
        self.muon.step()
        self.steps += 1
        keep = min(_AVERAGE, self.steps / (10 + self.steps))
        with torch.no_grad():
            for name, tensor in self.model.state_dict().items():
                self.averaged[name].lerp_(tensor, 1 - keep)

    def _sum(self, tensor: Tensor) -> Tensor:
        if dist.is_initialized():
            dist.all_reduce(tensor)
        return tensor

    def _report(self, sums: Tensor, used: float) -> None:
        loss, letter_loss, right, n_tokens, seconds = sums.tolist()
        print(
            f"step {self.steps} {self.trained_s / 60:.1f} min ({100 * used:.0f} %) loss {loss / n_tokens:.3f} "
            f"ctc {letter_loss / n_tokens:.3f} right {right / n_tokens:.3f} "
            f"{seconds:.0f} s of sound, {len(self.pool.clips)} clips",
            flush=True,
        )

    def _save(self) -> None:
        if self.rank:
            return
        state: dict[str, Any] = {
            "size": asdict(self.plan.size),
            "model": self.model.state_dict(),
            "averaged": self.averaged,
            "adam": self.adam.state_dict(),
            "muon": self.muon.state_dict(),
            "trained_s": self.trained_s,
            "steps": self.steps,
        }
        checkpoint.save(state, self.plan.out)


def smoothed_loss(logits: Tensor, labels: Tensor, first_timestamp: int) -> Tensor:
    """Sum of the cross entropy of ``logits (n_rows, n_tokens, n_vocabulary)``; a label is smoothed within its kind.

    Whisper's decoding takes a timestamp wherever all of them together are likelier than the likeliest piece of text.
    Smoothed over the whole vocabulary, every piece would give them `_LABEL_SMOOTHING` times their share of it, more
    than half, and sentences would end in the middle of a word that was hard to hear.
    """
    asked = labels != IGNORED
    labels, log_p = labels[asked], logits[asked].log_softmax(-1)
    text, times = (part.mean(-1) for part in log_p.tensor_split([first_timestamp], -1))
    smooth = torch.where(labels < first_timestamp, text, times)
    right = log_p.gather(-1, labels[:, None])[:, 0]
    return -((1 - _LABEL_SMOOTHING) * right + _LABEL_SMOOTHING * smooth).sum()


def _letter_loss(letters: Tensor, batch: Batch) -> Tensor:
    """Compute the CTC loss of the rows whose letters are known."""
    if not len(letters):
        return letters.sum()
    lengths = torch.full((len(letters),), letters.shape[1])
    log_probabilities = letters.log_softmax(-1).transpose(0, 1)
    targets = batch.letters.to(letters.device)
    return F.ctc_loss(log_probabilities, targets, lengths, batch.n_letters, blank=BLANK, zero_infinity=True)


def spectrum_gaps(mel: Tensor, windows: WindowMaker, share: float) -> Tensor:
    """Blank two bands and two moments of every window, in a share of batches (SpecAugment, Park et al. 2019)."""
    rng = windows.rng
    if rng.random() >= share:
        return mel
    _, n_mels, n_frames = mel.shape
    for row in mel:
        for _ in range(2):
            width = rng.randrange(12)
            at = rng.randrange(n_mels - width)
            row[at : at + width] = 0
            width = rng.randrange(16)
            at = rng.randrange(n_frames - width)
            row[:, at : at + width] = 0
    return mel


def fastest_dtype(device: torch.device, trials: int = 3) -> torch.dtype:
    """Return bfloat16 where it multiplies faster than float32, conversions included (AMX, AVX-512 BF16, a GPU)."""
    seconds = {
        dtype: min(_time_layer(device, dtype) for _ in range(trials)) for dtype in (torch.float32, torch.bfloat16)
    }
    return torch.bfloat16 if seconds[torch.bfloat16] < 0.8 * seconds[torch.float32] else torch.float32


def _time_layer(device: torch.device, dtype: torch.dtype) -> float:
    layer = nn.Linear(256, 1024).to(device, dtype)
    hidden = torch.randn(512, 256, device=device, dtype=dtype, requires_grad=True)
    start = time.monotonic()
    layer(hidden).sum().backward()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.monotonic() - start
