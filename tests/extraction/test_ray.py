"""Extraction on a real Ray cluster of several nodes, all on this machine."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

import featprobe as fp
from featprobe.core.errors import InputError, UnreadableItem
from featprobe.extraction.local import part_of
from featprobe.extraction.options import Options
from featprobe.extraction.resolve import settle
from featprobe.store.zarr import ZarrStore
from tests.extraction.fated import fated, struck
from tests.extraction.films import committed, extract, hostile, make_films, same, stores, when

ray = pytest.importorskip("ray", reason="Ray is not here: pip install 'featprobe[ray]'")


class Nodes:
    """A cluster whose head only leads; the others have one CPU each."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        # a loaded machine is slow, not broken: Ray's patience decides nothing here, and its actors,
        # which it makes nice by 15, get their share beside processes that never sleep
        os.environ |= {
            "RAY_worker_register_timeout_seconds": "1200", "RAY_health_check_timeout_ms": "600000",
            "RAY_worker_niceness": "0",
        }  # fmt: skip
        memory = 100 << 20
        self.cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": memory}
        )
        self.address: str = self.cluster.address
        self.workers: list = []

    def ensure(self, n: int) -> None:
        while len(self.workers) < n:
            self.workers.append(self.cluster.add_node(num_cpus=1, object_store_memory=100 << 20))

    def kill_one(self) -> None:
        self.cluster.remove_node(self.workers.pop(), allow_graceful=False)


@pytest.fixture(scope="module")
def whole_cluster() -> Iterator[Nodes]:
    nodes = Nodes()
    ray.init(address=nodes.address, log_to_driver=False, logging_level="CRITICAL")
    yield nodes
    ray.shutdown()
    nodes.cluster.shutdown()


@pytest.fixture
def nodes(whole_cluster: Nodes) -> Nodes:
    whole_cluster.ensure(2)
    return whole_cluster


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Actors of one CPU run on one thread; so does what they are compared with."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
def test_actors_fill_a_store_that_equals_a_local_one(nodes, tiny_backbone, tmp_path) -> None:
    folder = make_films(tmp_path / "films", 40, {3: "flat", 17: "damaged"})
    data = fp.load_dataset(folder, group="none")
    here = extract(tiny_backbone, data, tmp_path / "here")
    there = extract(tiny_backbone, data, tmp_path / "there", engine="ray")
    assert same(there, here)
    assert len(there) == 39
    assert there.summary.new_frames == 40
    assert there.summary.notes == here.summary.notes != {}
    assert there.summary.failures == here.summary.failures != {}
    assert set(there.summary.times) == set(here.summary.times)
    assert there.store.attributes["complete"]
    assert not list((tmp_path / "there").rglob("*.shared"))
    assert ray.is_initialized()  # the caller's connection is left open


@pytest.mark.slow
def test_a_killed_node_loses_nothing(nodes, tiny_backbone, tmp_path, capfd) -> None:
    folder = make_films(tmp_path / "films", 48, dict.fromkeys(range(16, 48), "held"))
    data, there, released = hostile(folder), tmp_path / "there", folder / "released"
    released.touch()
    here = extract(tiny_backbone, data, tmp_path / "here", workers=0)
    for file in (released, *folder.glob("*.reached")):
        file.unlink()

    def kill() -> None:
        nodes.kill_one()
        released.touch()

    # once two items are held, each actor is inside of a shard
    killer = when(lambda: len(list(folder.glob("*.reached"))) == 2, kill)
    result = extract(tiny_backbone, data, there, engine="ray", workers=0)
    killer.join()
    assert len(nodes.workers) == 1
    assert same(result, here)
    assert result.summary.new_frames == 48
    assert committed(there) == 12
    assert "unfinished shards are tried again" in capfd.readouterr().err


@pytest.mark.slow
def test_a_killed_actor_is_replaced_and_a_shard_that_kills_them_all_is_named(
    nodes, tiny_backbone, tmp_path, capfd
) -> None:
    folder = make_films(tmp_path / "films", 24, {5: "killed_once", 14: "kills"})
    data = hostile(folder)
    with pytest.raises(InputError, match=r"3 processes died .* shard 3 \(4 items: .*kills") as told:
        extract(tiny_backbone, data, tmp_path / "c", engine="ray", workers=0)
    assert "\n" not in str(told.value)
    assert (folder / "killed_once05.once").exists()
    (path,) = stores(tmp_path / "c")
    store = ZarrStore.open(path)
    assert store.pending() == [3]
    # what Ray says in the parentheses depends on whether the process or its socket was missed first
    assert re.search(r"died \(.+\); 1 unfinished shards are tried", capfd.readouterr().err)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_actors_killed_in_any_call_of_the_store_leave_what_none_would(
    nodes, tiny_backbone, tmp_path, seed: int
) -> None:
    """As in test_deaths.py, with processes and a cluster that are real."""
    folder = make_films(tmp_path / "films", 48, {3: "flat"})
    here = extract(tiny_backbone, hostile(folder), tmp_path / "here", workers=0)
    data = fated(hostile(folder), tmp_path / "fates", deaths=3, seed=seed, shard=4)
    result = extract(tiny_backbone, data, tmp_path / "there", engine="ray", workers=0)
    assert 2 <= struck(tmp_path / "fates") <= 3  # the last may find no shard left
    assert same(result, here)
    assert result.summary.notes == here.summary.notes
    assert result.summary.new_frames == 48
    assert committed(tmp_path / "there") == 12
    assert result.store.verify() == []
    assert not list((tmp_path / "there").rglob("*.shared"))


@pytest.mark.slow
def test_an_error_of_an_actor_is_the_drivers(nodes, tiny_backbone, tmp_path) -> None:
    folder = make_films(tmp_path / "films", 24, {9: "damaged"})
    data = fp.load_dataset(folder, group="none")
    with pytest.raises(UnreadableItem, match=r"damaged09\.png"):
        extract(tiny_backbone, data, tmp_path / "c", engine="ray", strict=True)


@pytest.mark.slow
def test_a_stop_lets_shards_in_flight_finish(nodes, tiny_backbone, tmp_path) -> None:
    from featprobe.extraction.open_store import open_store
    from featprobe.extraction.ray_engine import on_ray

    folder = make_films(tmp_path / "films", 400, dict.fromkeys(range(16, 400), "held"))
    data = hostile(folder)
    o = settle(Options(engine="ray", batch_size=4, workers=0))
    store = open_store(
        tiny_backbone, data, {"cls": 1}, o, cache=tmp_path, store="zarr", dtype="float32"
    )
    frames = []

    def stop() -> bool:
        if sum(frames) > 4:
            (folder / "released").touch()
        return sum(frames) > 4

    outcome = on_ray(
        tiny_backbone, data, store, part_of(store, o), o,
        stop=stop, on_frames=frames.append,
    )  # fmt: skip
    assert outcome.stopped
    done = int((store.status() == 1).sum())
    assert 4 < done < 400
    assert done == outcome.frames == sum(frames)
    assert done % 4 == 0


@pytest.mark.slow
def test_the_command_line_is_quiet_and_stops_when_told(nodes, tmp_path) -> None:
    folder = make_films(tmp_path / "films", 1000)
    command = [
        sys.executable, "-m", "featprobe.cli.main", "extract", "--model", "dinov2_vits14",
        "--init", "random", "--image-size", "42", "--batch-size", "4", "--engine", "ray",
        "--data", str(folder), "--cache", str(tmp_path / "c"), "--quiet",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "RAY_ADDRESS": nodes.address},
    )  # fmt: skip
    stop = when(
        lambda: committed(tmp_path / "c") > 0 or process.poll() is not None,
        lambda: process.send_signal(signal.SIGTERM),
    )
    stop.join()
    out, error = process.communicate()
    assert process.returncode == 143, error
    assert out == ""
    first, *more, last = error.splitlines()
    assert "stopping after the shard in flight" in first
    assert "of 1000 frames are in the cache; the same command goes on from there" in last
    assert not more, error
    (path,) = stores(tmp_path / "c")
    assert 0 < (ZarrStore.open(path).status() == 1).sum() < 1000


# -- without a cluster ----------------------------------------------------------------------------


@pytest.mark.slow
def test_devices_are_those_of_the_cluster(nodes) -> None:
    assert settle(Options(engine="ray")).target.type == "cpu"
    with pytest.raises(InputError, match="the Ray cluster has no GPU"):
        settle(Options(engine="ray", device="cuda"))
    with pytest.raises(InputError, match="Ray hands out the GPUs; use cuda or cpu"):
        settle(Options(engine="ray", device="cuda:1"))
    with pytest.raises(InputError, match="--devices is for this machine alone"):
        settle(Options(engine="ray", devices=("cpu", "cpu")))


def test_places_share_out_a_nodes_cores() -> None:
    from types import SimpleNamespace

    from featprobe.extraction.ray_cluster import actor_slots

    def node(name: str, alive: bool = True, **have: float) -> dict:
        return {"NodeID": name, "NodeManagerAddress": name, "Alive": alive, "Resources": have}

    found = [
        node("head"), node("small", CPU=4.0), node("big", CPU=20.0, GPU=2.0),
        node("dead", alive=False, CPU=8.0, GPU=8.0), node("bare", CPU=1.0, GPU=4.0),
    ]  # fmt: skip
    fake = SimpleNamespace(nodes=lambda: found)
    gpu = [(p.node, p.cpus, p.gpus) for p in actor_slots(fake, gpu=True)]
    assert gpu == [("big", 10, 1)] * 2 + [("bare", 0, 1)] * 4
    cpu = [(p.node, p.cpus, p.gpus) for p in actor_slots(fake, gpu=False)]
    assert cpu == [("small", 4, 0)] + [("big", 6, 0)] * 3 + [("bare", 1, 0)]


@pytest.mark.slow
def test_an_address_without_a_cluster_is_told(tmp_path) -> None:
    program = (
        "from featprobe.extraction.options import Options\n"
        "from featprobe.extraction.resolve import settle\n"
        "from featprobe.core.errors import InputError\n"
        "try: settle(Options(engine='ray'))\n"
        "except InputError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True,
        env={**os.environ, "RAY_ADDRESS": "127.0.0.1:1"},
    )  # fmt: skip
    assert done.stdout == "RAY_ADDRESS: no Ray cluster answers at 127.0.0.1:1\n"
