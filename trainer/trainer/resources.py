"""The machine: device, threads, free memory and what the GPU is doing."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from trainer.seat import Seat

log = logging.getLogger(__name__)

GIB = 1024**3
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
CGROUP_USED = Path("/sys/fs/cgroup/memory.current")
MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True)
class GpuReading:
    """One look at the GPU; None where there is none."""

    utilization_percent: float | None
    memory_used_gb: float | None
    memory_total_gb: float | None


class GpuProbe(Protocol):
    """Reads the GPU's counters."""

    def read(self) -> GpuReading:
        """The counters now."""


class NoGpu:
    """A machine without a GPU."""

    def read(self) -> GpuReading:
        """Nothing to read."""
        return GpuReading(None, None, None)


class NvmlProbe:
    """NVIDIA's management library, over the devices that train."""

    def __init__(self, nvml: Any, handles: Sequence[Any]) -> None:
        self._nvml = nvml
        self._handles = handles

    def read(self) -> GpuReading:
        """Mean utilisation in percent and memory in GiB; None values when the driver does not answer.

        Each GPU holds the whole model, so memory is that of the fullest one: it is the first to run out.
        """
        try:
            memories = [self._nvml.nvmlDeviceGetMemoryInfo(handle) for handle in self._handles]
            rates = [self._nvml.nvmlDeviceGetUtilizationRates(handle) for handle in self._handles]
        except self._nvml.NVMLError as error:
            log.warning("GPU counters cannot be read: %s", error)
            return GpuReading(None, None, None)
        fullest = max(memories, key=lambda memory: memory.used / memory.total)
        busy = sum(float(rate.gpu) for rate in rates) / len(rates)
        return GpuReading(busy, fullest.used / GIB, fullest.total / GIB)


@dataclass(frozen=True)
class Machine:
    """Where the model is trained and in which precision it computes."""

    device: torch.device
    compute_dtype: torch.dtype
    gpu_name: str | None
    gpu_count: int
    gpu_memory_gb: float
    probe: GpuProbe

    @property
    def on_gpu(self) -> bool:
        """Whether a CUDA device is used."""
        return self.device.type == "cuda"

    @property
    def compute_name(self) -> str:
        """Precision as the model card states it."""
        return "bfloat16" if self.compute_dtype == torch.bfloat16 else "float32"

    def free_bytes(self) -> int:
        """Memory that training may take: of the GPU, else of the machine within its container's limit."""
        if self.on_gpu:
            return int(torch.cuda.mem_get_info(self.device)[0])
        return free_memory_bytes(MEMINFO, CGROUP_LIMIT, CGROUP_USED)


def inspect_machine(seat: Seat | None = None) -> Machine:
    """Choose the device and make its arithmetic repeatable. Call once, before any model is loaded.

    In a group each process takes the GPU of its place; the leader watches the counters of them all.
    """
    # cuBLAS is only repeatable with a fixed workspace, and reads this when CUDA starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Filling new tensors with NaN only helps to find reads of what was never written; it cost 5 % of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if not torch.cuda.is_available():
        torch.set_num_threads(cpu_threads(os.environ.get("OMP_NUM_THREADS"), len(os.sched_getaffinity(0))))
        torch.use_deterministic_algorithms(True)
        return Machine(torch.device("cpu"), torch.float32, None, 0, 0.0, NoGpu())
    # Some CUDA kernels have no repeatable form; they warn instead of ending a paid run.
    torch.use_deterministic_algorithms(True, warn_only=True)
    present = torch.cuda.device_count()
    device = torch.device("cuda", seat.local_rank % present if seat else 0)
    torch.cuda.set_device(device)
    properties = torch.cuda.get_device_properties(device)
    follows = seat is not None and seat.rank > 0
    return Machine(
        device,
        torch.bfloat16,
        properties.name,
        present,
        properties.total_memory / GIB,
        NoGpu() if follows else _nvml_probe(min(present, seat.processes) if seat else 1),
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, of a GPU or of the machine; the CPU's allocator says so in words only."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def cpu_threads(requested: str | None, cores: int) -> int:
    """Threads for arithmetic on a CPU.

    OMP_NUM_THREADS decides when it is set. Otherwise one thread up to two cores, because the second core of a
    small
    shared machine serves everything else and two threads waiting for it are slower than one; above that, all
    but one.
    """
    if requested and requested.isdigit() and int(requested) > 0:
        return int(requested)
    return 1 if cores <= 2 else cores - 1


def free_memory_bytes(meminfo: Path, cgroup_limit: Path, cgroup_used: Path) -> int:
    """Memory left to this process: the machine's available memory or the container's room, whichever is
    less."""
    available = 4 * GIB
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                available = int(line.split()[1]) * 1024
    if cgroup_limit.exists() and cgroup_used.exists():
        limit = cgroup_limit.read_text().strip()
        if limit.isdigit():
            available = min(available, int(limit) - int(cgroup_used.read_text()))
    return max(0, available)


def _nvml_probe(devices: int) -> GpuProbe:
    import pynvml

    try:
        pynvml.nvmlInit()
        visible = nvml_indices(os.environ.get("CUDA_VISIBLE_DEVICES"), devices)
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in visible]
    except pynvml.NVMLError as error:
        log.warning("GPU counters are not available: %s", error)
        return NoGpu()
    return NvmlProbe(pynvml, handles)


def nvml_indices(visible: str | None, devices: int) -> list[int]:
    """NVML's numbers of the first `devices` CUDA devices, which CUDA_VISIBLE_DEVICES may have chosen by number;
    names are not resolved, then the first ones are taken."""
    named = [part.strip() for part in (visible or "").split(",")][:devices]
    if len(named) == devices and all(part.isdigit() for part in named):
        return [int(part) for part in named]
    return list(range(devices))
