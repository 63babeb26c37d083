"""How a step is divided among processes, and how their gradients become one."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from trainer.config import Environment, parse_job, read_environment
from trainer.errors import BadConfigurationError
from trainer.gradients import fingerprint, flat_gradients, spread_gradients
from trainer.group import Solo
from trainer.resources import GIB, NvmlProbe, nvml_indices
from trainer.seat import Seat
from trainer.shares import divide
from trainer.state import (
    capture_random,
    random_from_parts,
    random_to_parts,
    restore_random,
    seed_of,
    seed_random,
)

from tests.trainer.fake_control_plane import FakeControlPlane
from tests.trainer.trainer_support import environment, job_file
from trainer import launch


def lengths_of(count: int, seed: int = 3) -> list[int]:
    draw = random.Random(seed)
    return [draw.randint(20, 2000) for _ in range(count)]


@pytest.mark.parametrize("processes", range(1, 9))
@pytest.mark.parametrize("count", [0, 1, 3, 8, 33])
def test_every_conversation_of_a_step_is_in_exactly_one_share(processes: int, count: int) -> None:
    lengths = lengths_of(count + 5)
    step = list(range(5, count + 5))
    found = divide(step, lengths, processes)
    assert len(found) == processes
    assert sorted(index for share in found for index in share) == step


def test_one_process_takes_the_step_as_it_is() -> None:
    assert divide([4, 2, 9], lengths_of(10), 1) == [[4, 2, 9]]


def test_no_process_idles_while_another_has_two_conversations() -> None:
    for count in range(1, 9):
        found = divide(list(range(count)), lengths_of(count), 4)
        if count >= 4:
            assert min(len(share) for share in found) >= 1
        else:
            assert max(len(share) for share in found) == 1


def test_shares_are_balanced_by_tokens_rather_than_by_conversations() -> None:
    lengths = [1000, 10, 10, 10, 10, 960]
    assert divide(range(6), lengths, 2) == [[0], [1, 2, 3, 4, 5]]


def test_the_largest_share_is_near_the_mean() -> None:
    lengths = lengths_of(64)
    for processes in (2, 3, 8):
        loads = [sum(lengths[at] for at in share) for share in divide(range(64), lengths, processes)]
        assert max(loads) <= 4 / 3 * sum(loads) / processes


def test_shares_keep_the_order_of_the_step_and_are_the_same_each_time() -> None:
    lengths = lengths_of(16)
    step = sorted(range(16), key=lambda index: lengths[index])
    for share in divide(step, lengths, 3):
        assert [lengths[index] for index in share] == sorted(lengths[index] for index in share)
    assert divide(step, lengths, 3) == divide(step, lengths, 3)


def parameters() -> list[torch.nn.Parameter]:
    torch.manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape)) for shape in ((2, 3), (4,), (1, 5))]


def test_gradients_of_two_processes_add_up_to_those_of_one() -> None:
    ours, theirs = parameters(), parameters()
    ours[0].grad, ours[1].grad = torch.ones(2, 3), torch.full((4,), 2.0)
    theirs[0].grad = torch.full((2, 3), 0.5)
    spread_gradients(ours, flat_gradients(ours) + flat_gradients(theirs))
    assert ours[0].grad.tolist() == [[1.5] * 3] * 2
    assert ours[1].grad.tolist() == [2.0] * 4
    assert ours[2].grad is None


def test_an_adapter_that_differs_in_one_bit_has_another_fingerprint() -> None:
    ours, theirs = parameters(), parameters()
    assert fingerprint(ours) == fingerprint(theirs)
    theirs[1].data[2] = torch.nextafter(theirs[1].data[2], torch.tensor(9.0))
    assert fingerprint(ours) != fingerprint(theirs)


def test_equal_tensors_in_another_place_have_another_fingerprint() -> None:
    one = [torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.zeros(2))]
    assert fingerprint(one) != fingerprint(one[::-1])


def test_the_generators_of_every_process_survive_a_checkpoint() -> None:
    seed_random(seed_of(11, 5, 1))
    follower = capture_random()
    expected = torch.rand(3)
    seed_random(11)
    written = random_to_parts(capture_random((follower,)))
    (read,) = random_from_parts(*written).peers
    restore_random(read)
    assert torch.equal(torch.rand(3), expected)


def test_one_process_writes_the_generators_it_always_wrote() -> None:
    tensors, rest = random_to_parts(capture_random())
    assert set(tensors) == {"random.torch", "random.numpy"}
    assert set(rest) == {"python", "numpy", "cuda_devices"}


def test_unrecorded_processes_are_seeded_apart_and_the_same_each_time() -> None:
    seeds = [seed_of(11, step, rank) for step in (0, 7) for rank in (1, 2, 3)]
    assert len(set(seeds)) == 6
    assert seeds[0] == seed_of(11, 0, 1)


def test_one_process_exchanges_with_itself() -> None:
    group = Solo()
    flat = torch.ones(2)
    group.add_up(flat)
    group.dismiss()
    assert (group.leads, group.exchange(3), group.share("x"), flat.tolist()) == (True, [3], "x", [1.0, 1.0])


def place(plane: FakeControlPlane, **changes: Any) -> Environment:
    return environment(plane, job_file(plane, **changes), Path("models"), Path("work"))


def test_a_machine_without_gpus_trains_in_one_process_however_many_were_rented(
    plane: FakeControlPlane,
) -> None:
    gpu = {"type": "cpu", "count": 4, "tier": "spot", "hourly_rate_usd": "3.60"}
    here = place(plane, gpu=gpu)
    job = parse_job(here.job_text)
    assert job.gpu_count == 4
    assert launch.wanted(job, here) == 1


def test_a_member_of_a_group_starts_no_group(plane: FakeControlPlane) -> None:
    here = place(plane)
    common = {"LORA_PIPELINE_JOB": here.job_text, "LORA_PIPELINE_WEBHOOK_SECRET": "whsec_YWJj"}
    asked = read_environment(common | {"LORA_PIPELINE_PROCESSES": "3"})
    assert launch.wanted(parse_job(here.job_text), asked) == 3
    torchrun = {
        "TORCHELASTIC_RUN_ID": "x",
        "RANK": "1",
        "LOCAL_RANK": "1",
        "WORLD_SIZE": "3",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "29",
        "TORCHELASTIC_RESTART_COUNT": "2",
    }
    member = read_environment(common | {"LORA_PIPELINE_PROCESSES": "3"} | torchrun)
    assert member.seat == Seat(1, 1, 3, "127.0.0.1", 29, 2)
    assert launch.wanted(parse_job(here.job_text), member) == 1


@pytest.mark.parametrize("text", ["0", "9", "two", "-1"])
def test_an_impossible_number_of_processes_is_refused(text: str) -> None:
    with pytest.raises(BadConfigurationError, match="LORA_PIPELINE_PROCESSES"):
        read_environment(
            {"LORA_PIPELINE_WEBHOOK_SECRET": "whsec_YWJj", "LORA_PIPELINE_PROCESSES": text},
        )


def test_the_group_stays_on_this_machine_unless_told_otherwise() -> None:
    chosen = launch.group_environment({"NCCL_ALGO": "Tree"}, ["eth0", "lo"])
    assert chosen == {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo", "NCCL_ALGO": "Tree"}
    assert launch.group_environment({}, ["eth0"]) == {"NCCL_ALGO": "Ring"}


class FakeNvml:
    """Two devices by number, the second one fuller and idle."""

    NVMLError = RuntimeError

    class Memory:
        def __init__(self, used: int) -> None:
            self.used, self.total = used * GIB, 80 * GIB

    class Rates:
        def __init__(self, gpu: int) -> None:
            self.gpu = gpu

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Memory:  # noqa: N802
        return self.Memory(60 + 10 * handle)

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Rates:  # noqa: N802
        return self.Rates(90 - 60 * handle)


def test_counters_of_several_gpus_are_the_mean_load_and_the_fullest_memory() -> None:
    reading = NvmlProbe(FakeNvml(), [0, 1]).read()
    assert (reading.utilization_percent, reading.memory_used_gb, reading.memory_total_gb) == (
        60.0,
        70.0,
        80.0,
    )


@pytest.mark.parametrize(
    ("visible", "devices", "expected"),
    [(None, 2, [0, 1]), ("3,5", 2, [3, 5]), ("3,5", 1, [3]), ("GPU-8f", 1, [0]), ("", 1, [0])],
)
def test_watched_devices_are_the_visible_ones(visible: str | None, devices: int, expected: list[int]) -> None:
    assert nvml_indices(visible, devices) == expected
