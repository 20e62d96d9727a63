"""Training a very small bundled model for a moment, going on from there, and the files that are shipped."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mini_model import checkpoint
from mini_model.convert import FILES, SUMS, convert, digest
from mini_model.hear import WAYS, Listener, word_error_rate
from mini_model.model import MiniWhisper, Size, log_mel
from mini_model.optim import orthogonal
from mini_model.pool import ShardWriter
from mini_model.recipes import MINI_EN, RECIPES, Recipe
from mini_model.tokenizer import Vocabulary, add_chinese
from mini_model.train import Plan, smoothed_loss, train
from mini_model.windows import IGNORED

TOKENIZER = MINI_EN.shipped / "tokenizer.json"
TINY = Size(width=32, encoder_layers=1, decoder_layers=1, heads=2)
SECONDS = 2.0


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Build a plan for `SECONDS` of training."""
    work = tmp_path_factory.mktemp("mini-model")
    speech = work / "speech"
    speech.mkdir()
    writer = ShardWriter(speech, "seed1-0")
    noise = np.random.default_rng(1)
    for text in ("No.", "We decided to wait.", "Hello, this is Alice."):
        writer.add(noise.integers(-9000, 9000, 16_000, np.int16), "slt", text)
    writer.close()
    return Plan(
        speech=speech,
        tokenizer=TOKENIZER,
        out=work / "training.pt",
        start_from=None,
        hours=SECONDS / 3600,
        processes=1,
        batch_s=6,
        step_s=0.5,
        size=TINY,
    )


def test_training_goes_on_where_it_stopped(plan: Plan) -> None:
    """Time and steps count on over runs; weights move, and the time that is over is not trained again.

    The first run has two processes, which step together; one goes on.
    """
    train(replace(plan, processes=2), held_out=())
    first = checkpoint.load(plan.out)
    assert first["trained_s"] >= SECONDS
    assert first["steps"] > 1
    train(plan, held_out=())
    assert checkpoint.load(plan.out)["steps"] == first["steps"]
    more_s = first["trained_s"] + SECONDS  # on a busy machine a step may take longer than was planned for all
    train(replace(plan, hours=more_s / 3600), held_out=())
    second = checkpoint.load(plan.out)
    assert second["steps"] > first["steps"]
    assert more_s <= second["trained_s"] < more_s + 10
    moved = {name for name, tensor in second["model"].items() if not torch.equal(tensor, first["model"][name])}
    assert {"whisper.model.encoder.conv1.weight", "whisper.model.decoder.layers.0.fc1.weight", "ctc.weight"} <= moved


def test_a_trained_model_is_heard_in_every_way(plan: Plan, tmp_path: Path) -> None:
    """What was trained converts to files that faster-whisper and CTranslate2 load; their sums are right."""
    if not plan.out.exists():
        train(plan, held_out=())
    convert(plan.out, TOKENIZER, tmp_path / "model", heads=[(0, 1)])
    for line in (tmp_path / "model" / SUMS).read_text().splitlines():
        expected, name = line.split()
        assert digest(tmp_path / "model" / name) == expected
    listener = Listener(tmp_path / "model")
    for way in WAYS:
        assert isinstance(listener.hear(np.zeros(32_000, np.float32), way), str)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_the_shipped_files_are_the_committed_checkpoint(recipe: Recipe, tmp_path: Path) -> None:
    """Converting is reproducible, byte for byte."""
    shipped = recipe.shipped
    heads = [tuple(head) for head in json.loads((shipped / "config.json").read_text())["alignment_heads"]]
    convert(recipe.committed, shipped / "tokenizer.json", tmp_path / "model", heads=heads)
    for name in (*FILES, SUMS):
        assert (tmp_path / "model" / name).read_bytes() == (shipped / name).read_bytes(), name


def test_a_model_for_two_languages_begins_as_the_english_one(plan: Plan, tmp_path: Path) -> None:
    """English tokens keep their embeddings, Chinese ones get some; after a moment of training both languages are asked
    for, and CTranslate2 takes the model for a multilingual one."""
    english = Vocabulary(TOKENIZER)
    both = add_chinese(TOKENIZER, ["我们同意。"], tmp_path / "tokenizer.json")
    torch.manual_seed(3)
    weights = MiniWhisper(english, TINY).state_dict()
    embedding = checkpoint.grown(weights, english, both)["whisper.proj_out.weight"]
    assert embedding.shape == (len(both), TINY.width)
    for token in ("Ġthe", "<|zh|>", "<|30.00|>"):
        assert torch.equal(
            embedding[both.pieces.index(token)], weights["whisper.proj_out.weight"][english.pieces.index(token)]
        )
    assert embedding[both.encode("我们同意。")].std(0).min() > 0

    checkpoint.save_weights(weights, TINY, tmp_path / "english.pt")
    bilingual = replace(
        plan,
        tokenizer=both.path,
        start_from=tmp_path / "english.pt",
        start_tokenizer=TOKENIZER,
        out=tmp_path / "both.pt",
    )
    train(bilingual, held_out=())
    convert(bilingual.out, both.path, tmp_path / "model", heads=None)
    listener = Listener(tmp_path / "model", "zh")
    for way in WAYS:
        assert isinstance(listener.hear(np.zeros(32_000, np.float32), way), str)
    language, probability, _ = listener.whisper.detect_language(np.zeros(32_000, np.float32))
    assert language in ("en", "zh")
    assert 0.5 <= probability <= 1


def test_error_rates_count_chinese_characters() -> None:
    """Words and characters are compared, spaces and punctuation are not."""
    assert word_error_rate([("我们同意，谢谢。", "我们 同意谢谢")]) == 0
    assert word_error_rate([("我们同意。", "我们不同意")]) == 25
    assert word_error_rate([("Well-known: it's OK!", "well known it's okay")]) == 25


def test_a_window_hears_the_same_alone_and_beside_others() -> None:
    """Rows are told about their own window, in any order."""
    torch.manual_seed(1)
    vocabulary = Vocabulary(TOKENIZER)
    model = MiniWhisper(vocabulary, TINY).eval()
    samples = torch.stack([torch.zeros(48_000), torch.randn(48_000)])
    tokens = torch.full((3, 4), vocabulary["startoftranscript"])
    with torch.no_grad():
        together, letters = model(log_mel(samples), torch.tensor([1, 0, 1]), tokens)
        alone, its_letters = model(log_mel(samples[1:]), torch.tensor([0]), tokens[:1])
    assert torch.allclose(together[0], alone[0], atol=1e-5)
    assert torch.allclose(together[0], together[2], atol=1e-5)
    assert not torch.allclose(together[0], together[1], atol=1e-3)
    assert torch.allclose(letters[1], its_letters[0], atol=1e-5)


def test_either_attention_computes_the_same() -> None:
    """The fused one, and the one that bfloat16 makes fast on a CPU."""
    vocabulary = Vocabulary(TOKENIZER)
    fused, eager = (MiniWhisper(vocabulary, TINY, attention).eval() for attention in ("sdpa", "eager"))
    eager.load_state_dict(fused.state_dict())
    asked = (log_mel(torch.randn(2, 48_000)), torch.tensor([0, 1, 1]), torch.randint(0, 1000, (3, 20)))
    with torch.no_grad():
        for one, other in zip(fused(*asked), eager(*asked), strict=True):
            assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(64, 256), (256, 64), (96, 96)])
def test_an_orthogonal_matrix_has_singular_values_around_one(shape: tuple[int, int], dtype: torch.dtype) -> None:
    """Muon's five iterations bring them between 0.7 and 1.2 (Jordan et al. 2024), the smallest ones excepted."""
    torch.manual_seed(2)
    values = torch.linalg.svdvals(orthogonal(torch.randn(shape), dtype))
    assert float(values.max()) < 1.25
    assert float(values.quantile(0.1)) > 0.6


def test_text_is_not_taught_to_be_a_timestamp() -> None:
    """Timestamps may vanish from the probabilities of a piece of text, and text from those of a timestamp."""
    first_timestamp, pieces = 4, 6
    labels = torch.tensor([[1, 3, IGNORED, 5]])
    logits = torch.zeros(1, 4, pieces, requires_grad=True)
    learning = torch.optim.Adam([logits], lr=0.2)
    for _ in range(500):
        learning.zero_grad()
        smoothed_loss(logits, labels, first_timestamp).backward()  # type: ignore[no-untyped-call]  # torch's
        learning.step()
    p_timestamp = logits.detach()[0].softmax(-1)[:, first_timestamp:].sum(-1)
    assert p_timestamp[:2].max() < 0.01
    assert p_timestamp[3] > 0.99
    assert logits.detach()[0].argmax(-1)[[0, 1, 3]].tolist() == [1, 3, 5]
    assert p_timestamp[2] == pytest.approx(1 / 3), "a label that is not asked teaches nothing"
