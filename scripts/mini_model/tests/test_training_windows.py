"""What the bundled model is trained on: clips on disk, windows laid out from them, what Whisper should answer."""

import json
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mini_model import corpus, grammar, open_text_zh
from mini_model.augment import Mix, harm, mu_law, noise
from mini_model.model import MAX_WINDOW_S, SAMPLE_RATE, letters_of
from mini_model.open_text import MissingText
from mini_model.pool import Pool, ShardWriter, read_shard
from mini_model.recipes import MINI_EN
from mini_model.tokenizer import MULTILINGUAL, SPACE, Vocabulary, add_chinese
from mini_model.windows import IGNORED, LAYOUTS, Layout, Shares, WindowMaker, draw_layout
from scripts.speech.pinyin import HANZI

VOCABULARY = Vocabulary(MINI_EN.shipped / "tokenizer.json")
PEOPLE = ("Alice", "David", "Thomas", "Victor", "Rachel")
SENTENCES = (
    *(f"Hello, this is {person} from security." for person in PEOPLE),
    "We decided to postpone the release.",
    "No.",
    "The backup system was slow, but the network was stable, and nobody knew why it had been so.",
    "How much does the recording service cost?",
)
layouts = st.integers(0, 10**6).map(lambda seed: draw_layout(Random(seed)))
seeds = st.integers(0, 10**6)


def write_shard(folder: Path, sentences: tuple[str, ...] = SENTENCES, shard: str = "seed1-0") -> None:
    """Write clips of 80 ms a letter whose samples tell which clip they are of."""
    folder.mkdir(exist_ok=True)
    writer = ShardWriter(folder, shard)
    for number, text in enumerate(sentences, start=1):
        writer.add(np.full(len(text) * SAMPLE_RATE * 8 // 100, 1000 * number, np.int16), "slt", text)
    writer.close()


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    folder = tmp_path_factory.mktemp("pool") / "speech"
    write_shard(folder)
    return Pool(folder, held_out=())


def test_a_killed_shard_is_completed(tmp_path: Path) -> None:
    """Half a line and sound without a line are cut off; what follows lies where its line says."""
    write_shard(tmp_path, SENTENCES[:3])
    with (tmp_path / "seed1-0.jsonl").open("a") as index, (tmp_path / "seed1-0.pcm").open("ab") as audio:
        index.write('[123, 45, "sl')
        audio.write(b"\x01\x02" * 77)
    assert [clip.text for clip in read_shard(tmp_path, "seed1-0")] == list(SENTENCES[:3])
    write_shard(tmp_path, SENTENCES[3:])
    pool = Pool(tmp_path, held_out=())
    assert [clip.text for clip in pool.clips] == list(SENTENCES)
    last = pool.samples(pool.clips[-1])
    assert last.dtype == np.float32
    assert np.all(last == np.float32(1000 * len(SENTENCES[3:]) / 32768))


def test_a_pool_grows_and_keeps_held_out_sentences_away(tmp_path: Path) -> None:
    write_shard(tmp_path, SENTENCES[:2])
    pool = Pool(tmp_path, held_out={SENTENCES[0], SENTENCES[5]})
    assert [clip.text for clip in pool.clips] == [SENTENCES[1]]
    write_shard(tmp_path, SENTENCES[4:7], "seed2-0")
    pool.refresh()
    assert [clip.text for clip in pool.clips] == [SENTENCES[1], SENTENCES[4], SENTENCES[6]]


def test_alike_begins_alike_if_there_are_a_few(pool: Pool) -> None:
    rng = Random(1)
    hello, single = pool.clips[0], pool.clips[-1]
    assert {pool.draw_like(hello, rng).text for _ in range(60)} == set(SENTENCES[: len(PEOPLE)])
    assert len({pool.draw_like(single, rng).text for _ in range(60)}) > len(PEOPLE)


@settings(max_examples=150, deadline=None)
@given(layout=layouts, seed=seeds)
def test_windows_ask_what_whisper_is_asked(pool: Pool, layout: Layout, seed: int) -> None:
    """Every row is a prompt of Whisper's form, and what is said about the window with or without rising times."""
    window = WindowMaker(pool, VOCABULARY, Shares(), seed).window(layout)
    assert window.samples.shape == (round(layout.seconds * SAMPLE_RATE),)
    assert np.isfinite(window.samples).all()
    start, previous, untimed, end = (
        VOCABULARY[name] for name in ("startoftranscript", "startofprev", "notimestamps", "endoftext")
    )
    texts = []
    for row in window.rows:
        assert row.prompt.count(start) == 1
        before, asked = row.prompt[: row.prompt.index(start)], row.prompt[row.prompt.index(start) + 1 :]
        assert not before or (before[0] == previous and len(before) <= 224)
        assert len(row.prompt) + len(row.target) + 1 <= 448
        assert end not in row.target
        times = [token - VOCABULARY.first_timestamp for token in row.target if token >= VOCABULARY.first_timestamp]
        assert times == sorted(times)
        assert all(0 <= time <= layout.seconds / 0.02 + 1 for time in times)
        assert not (times and untimed in asked)
        assert bool(VOCABULARY.decode(row.target)) != window.silent or len(times) == 1  # only one, cut sentence
        texts.append(VOCABULARY.decode(row.target))
    cut = window.letters is None
    if cut:  # the last sentence is only begun, which cannot be said without a time
        assert len(window.rows) == 1
        assert window.rows[0].target[-1] >= VOCABULARY.first_timestamp
    else:
        assert len(window.rows) == 2
        assert texts[0] == texts[1]
        assert window.letters == letters_of(" " + texts[0] if texts[0] else "")


@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_times_are_where_the_sentences_are(pool: Pool, seed: int) -> None:
    """In a clean window the sound between two times is one clip's, as long as that clip."""
    shares = Shares(silent=0, mix=Mix(clean=1))
    window = WindowMaker(pool, VOCABULARY, shares, seed).window(Layout(seconds=MAX_WINDOW_S, max_sentences=14))
    timed = window.rows[0].target
    times_s = [(token - VOCABULARY.first_timestamp) * 0.02 for token in timed if token >= VOCABULARY.first_timestamp]
    for start_s, end_s in zip(times_s[0::2], times_s[1::2], strict=False):
        inside = window.samples[round((start_s + 0.05) * SAMPLE_RATE) : round((end_s - 0.05) * SAMPLE_RATE)]
        number = round(float(np.median(inside)) * 32768 / 1000)
        assert len(SENTENCES[number - 1]) * 0.08 == pytest.approx(end_s - start_s, abs=0.021)


@settings(max_examples=60, deadline=None)
@given(layout=layouts, seed=seeds)
def test_a_batch_asks_for_what_follows_each_token(pool: Pool, layout: Layout, seed: int) -> None:
    """Labels are the tokens one ahead; before the start nothing is asked, at the start whether anybody speaks."""
    batch = WindowMaker(pool, VOCABULARY, Shares(silent=0.4), seed).batch(layout, 3)
    start, silence = VOCABULARY["startoftranscript"], VOCABULARY["nospeech"]
    assert batch.samples.shape[0] == len(batch.lettered) == 3
    assert batch.tokens.shape == batch.labels.shape
    assert int(batch.n_letters.sum()) == len(batch.letters)
    for tokens, labels in zip(batch.tokens.tolist(), batch.labels.tolist(), strict=True):
        begin = tokens.index(start)
        assert all(label == IGNORED for label in labels[:begin])
        assert labels[begin] == silence or labels[begin] == tokens[begin + 1]
        asked = [at for at in range(begin + 1, len(labels)) if labels[at] != IGNORED]
        if not asked:  # silence after the start alone: that nobody speaks is the whole answer
            assert labels[begin] == silence
            continue
        assert all(tokens[at + 1] == labels[at] for at in asked[:-1])
        assert labels[asked[-1]] == VOCABULARY["endoftext"]
        assert asked == list(range(asked[0], asked[-1] + 1))


def test_a_window_has_one_language_and_is_asked_in_it(tmp_path: Path) -> None:
    """With several languages in the pool every prompt names that of the window, and what was said before has it too."""
    writer = ShardWriter(tmp_path, "seed1-0")
    chinese = ("我们决定推迟发布。", "谁来翻译报告？")
    for voice, texts in (("slt", SENTENCES), ("cmn", chinese)):
        for text in texts:
            writer.add(np.full(SAMPLE_RATE, 1000, np.int16), voice, text)
    writer.close()
    both = add_chinese(VOCABULARY.path, chinese, tmp_path / "tokenizer.json")
    maker = WindowMaker(Pool(tmp_path, held_out=()), both, Shares(with_past=0.5), seed=1)
    seen = set()
    for _ in range(60):
        for row in maker.window(Layout(seconds=8, max_sentences=3)).rows:
            asked = row.prompt[row.prompt.index(both["startoftranscript"]) + 1 :]
            language = {both["en"]: "en", both["zh"]: "zh"}[asked[0]]
            assert asked[1] == both["transcribe"]
            said = both.decode([*row.prompt, *row.target])
            assert bool(HANZI.search(said)) == (language == "zh" and bool(said))
            seen.add(language)
    assert seen == {"en", "zh"}


def test_features_of_a_full_window_may_end_early(pool: Pool) -> None:
    """As faster-whisper fills windows up: nothing sounds, and nothing is said, after the samples that are heard."""
    maker = WindowMaker(pool, VOCABULARY, Shares(featureless=1, silent=0), seed=5)
    for _ in range(20):
        window = maker.window(Layout(seconds=MAX_WINDOW_S, max_sentences=9))
        assert 2 * SAMPLE_RATE <= window.n_heard <= MAX_WINDOW_S * SAMPLE_RATE == len(window.samples)
        assert not window.samples[window.n_heard :].any()
        times = [token - VOCABULARY.first_timestamp for token in window.rows[0].target]
        assert max(times) * 0.02 <= window.n_heard / SAMPLE_RATE + 0.02


def test_all_lengths_are_drawn() -> None:
    rng = Random(3)
    seconds = [draw_layout(rng).seconds for _ in range(400)]
    for _, shortest, longest, _ in LAYOUTS:
        assert any(shortest <= length <= longest for length in seconds)
    assert max(seconds) == MAX_WINDOW_S


def test_no_word_begins_with_a_bare_space() -> None:
    """faster-whisper never says the bare space; every sentence comes back from its tokens."""
    bare = VOCABULARY.pieces.index(SPACE)
    for sentence in (*corpus.held_out("meeting"), *corpus.held_out("open")):
        tokens = VOCABULARY.encode(sentence)
        assert bare not in tokens, sentence
        assert VOCABULARY.decode(tokens) == sentence


def test_a_chinese_character_is_one_token_and_english_stays(tmp_path: Path) -> None:
    """Chinese is written without spaces; a character that the tokenizer does not know is its three bytes."""
    sentences = corpus.held_out("meeting", "zh")
    both = add_chinese(VOCABULARY.path, sentences, tmp_path / "tokenizer.json")
    for sentence in sentences:
        assert len(both.encode(sentence)) == len(sentence)
        assert both.decode(both.encode(sentence)) == sentence
    rare = "我们很懿。"
    assert len(both.encode(rare)) == len(rare) + 2
    assert both.decode(both.encode(rare)) == rare
    for sentence in corpus.held_out("open")[:50]:
        assert both.encode(sentence) == VOCABULARY.encode(sentence)
    assert both.timestamp(30) == len(both) - 1
    assert both.pieces[both["endoftext"] - 1] == MULTILINGUAL


def test_held_out_sentences_hold_the_samples_too() -> None:
    for name in ("meeting-3min", "meeting-zh"):
        truth = json.loads((corpus.SAMPLES / f"{name}.truth.json").read_text())
        assert {segment["text"] for segment in truth["segments"]} <= corpus.all_held_out()


def test_chinese_sentences_come_from_help_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole sentences of characters and commas; what holds letters or digits, is code or too short, stays out."""
    page = """<p>选择<b>文字</b>中的公式。 要搜索，请按“查找”；然后继续！</p><pre>这里是程序的代码。</pre>
    <li>打开 LibreOffice 的窗口。</li><li>好的。</li><td>选择文字中的公式。</td>
    <td>崩溃程序</td><td>崩溃的程序列表</td>"""
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "page.html").write_text(page, encoding="utf-8")
    monkeypatch.setattr(open_text_zh, "HELP", tmp_path)
    assert open_text_zh.chinese_sentences() == [
        "选择文字中的公式。",
        "要搜索，请按查找，然后继续！",
        "崩溃的程序列表。",
    ]
    monkeypatch.setattr(open_text_zh, "HELP", tmp_path / "absent")
    with pytest.raises(MissingText, match="libreoffice-help-zh-cn"):
        open_text_zh.chinese_sentences()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_grammar_fills_every_slot(language: str) -> None:
    """No brace is left, sentences end with a stop, and equal seeds say the same."""
    drawn = [grammar.sentence(Random(seed), language) for seed in range(500)]
    assert drawn == [grammar.sentence(Random(seed), language) for seed in range(500)]
    assert all(text[-1] in ".?。？" and not set(text) & set("{}|[]") for text in drawn)
    assert all(bool(HANZI.search(text)) == (language == "zh") for text in drawn)
    assert len(set(drawn)) > 450


@pytest.mark.parametrize("seed", range(8))
def test_harm_keeps_the_length_and_noise_has_unit_power(seed: int) -> None:
    rng, dice = Random(seed), np.random.default_rng(seed)
    speech = np.sin(np.arange(SAMPLE_RATE, dtype=np.float32) * np.float32(0.3))
    harmed = harm(speech, Mix(telephone=1, room=seed % 2), rng, dice)
    assert harmed.shape == speech.shape
    assert 0.01 < np.abs(harmed).max() < 10
    assert noise(SAMPLE_RATE, rng, dice).std() == pytest.approx(1, rel=0.1)


def test_mu_law_errs_by_its_step() -> None:
    """Eight bits: at most 2.3 % of the value (ITU-T G.711, with 127 steps a side) and some thousandths near zero."""
    samples = np.linspace(-1, 1, 2001, dtype=np.float32)
    assert np.all(np.abs(mu_law(samples) - samples) <= 0.023 * np.abs(samples) + 1e-3)
