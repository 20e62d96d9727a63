"""Which part of a node a Transcriber replica gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.serve import engine_share
from cluster.serve.engine_share import FEWEST_LIVE_JOBS, GPU_BATCH, live_jobs, share_of
from cluster.settings.sections import ModelSettings
from cluster.settings.settings import Settings


def _share(model: ModelSettings | None = None, **cluster: float):  # EngineShare
    model = model or ModelSettings()
    return share_of(Settings(models=(model,)), model, **cluster)


def test_one_machine_is_one_replica_with_all_threads() -> None:
    """Without GPUs a machine runs one replica; one core is left to everything else."""
    share = _share(n_gpus=0, n_cpus=8, node_cpus=8)
    assert (share.max_replicas, share.num_cpus, share.threads) == (1, 7, 8)


def test_lanes_share_the_threads() -> None:
    """Few cores decode a batch each; many are bundled; a GPU decodes one batch after the other."""
    few, many = (_share(n_gpus=0, n_cpus=n, node_cpus=n) for n in (8, 64))
    assert (few.decode_slots, few.engine_options(ModelSettings()).intra_threads) == (8, 1)
    assert (many.decode_slots, many.engine_options(ModelSettings()).intra_threads) == (16, 4)
    assert _share(n_gpus=2, n_cpus=32, node_cpus=16).decode_slots == 1


def test_what_computes_is_the_models_setting() -> None:
    share = _share(n_gpus=0, n_cpus=2, node_cpus=2)
    options = share.engine_options(ModelSettings(compute_type="float32", encoder="torch"))
    assert (options.compute_type, options.encoder) == ("float32", "torch")


def test_a_large_cluster_has_work_in_hand_for_all() -> None:
    """Open pulls and live jobs grow with the replicas: 100 GPUs are not kept waiting by bounds made for one machine."""
    share = _share(n_gpus=100, n_cpus=1600, node_cpus=16)
    assert share.max_pulls == 200
    assert live_jobs([share]) == 200 * share.batch_size
    assert live_jobs([_share(ModelSettings(batch_size=1), n_gpus=0, n_cpus=1, node_cpus=1)]) == FEWEST_LIVE_JOBS


def test_several_nodes_are_a_replica_each() -> None:
    """Three nodes of four cores take three replicas, none larger than a node."""
    share = _share(n_gpus=0, n_cpus=12, node_cpus=4)
    assert (share.max_replicas, share.num_cpus, share.threads) == (3, 3, 4)


def test_a_gpu_is_a_replica() -> None:
    """With GPUs their number counts."""
    share = _share(n_gpus=2, n_cpus=32, node_cpus=16)
    assert (share.max_replicas, share.num_gpus, share.threads) == (2, 1.0, 16)


@given(n_nodes=st.integers(1, 9), node_cpus=st.integers(1, 64), least=st.integers(0, 8), most=st.integers(0, 16))
def test_every_replica_fits_into_a_node(n_nodes: int, node_cpus: int, least: int, most: int) -> None:
    """Whatever the cluster, no replica asks for more cores than a node has."""
    model = ModelSettings(min_replicas=least, max_replicas=max(least, most))
    share = _share(model, n_gpus=0, n_cpus=n_nodes * node_cpus, node_cpus=node_cpus)
    assert 0 < share.num_cpus <= node_cpus
    assert 1 <= share.threads <= node_cpus
    assert share.max_replicas >= max(1, least)


@pytest.mark.parametrize("node_cpus", [1, 2, 16])
@pytest.mark.parametrize("n_models", [1, 3])
def test_a_segmenter_fits_beside_all_models(node_cpus: int, n_models: int) -> None:
    """On one machine every model's replica and a Segmenter can be placed, even on a single core."""
    models = tuple(ModelSettings(name=f"m{n}") for n in range(n_models))
    shares = [
        share_of(Settings(models=models), model, n_gpus=0, n_cpus=node_cpus, node_cpus=node_cpus) for model in models
    ]
    assert sum(share.num_cpus * share.max_replicas for share in shares) + 0.5 <= node_cpus


def test_models_divide_the_gpus() -> None:
    """Two models on four GPUs get two replicas each; half a GPU each doubles that."""
    models = (ModelSettings(name="a"), ModelSettings(name="b", gpus_per_replica=0.5))
    settings = Settings(models=models)
    assert [share_of(settings, m, n_gpus=4, n_cpus=32, node_cpus=32).max_replicas for m in models] == [2, 4]


def test_a_replica_computes_on_its_own_gpu_in_half_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray shows a replica one GPU alone, as number 0, whatever its number on the machine; one batch after the other."""
    asked: list[tuple[str, int, str]] = []

    def choose(kind: str, index: int, wanted: str) -> str:
        asked.append((kind, index, wanted))
        return "float16"

    monkeypatch.setattr(engine_share, "choose_compute_type", choose)
    share = _share(n_gpus=4, n_cpus=32, node_cpus=32)
    options = share.engine_options(ModelSettings())
    assert asked == [("cuda", 0, "auto")]
    assert (options.device, options.device_index, options.compute_type) == ("cuda", 0, "float16")
    assert (options.inter_threads, options.batch_size) == (1, GPU_BATCH)
    assert share.actor_options["num_gpus"] == 1.0
