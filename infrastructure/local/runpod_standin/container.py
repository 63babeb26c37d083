"""The environment of a pod's process: the request's, RunPod's, and the folders that stand for volumes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from runpod_standin.records import PodRecord
from runpod_standin.settings import Settings

# What a container needs from this machine to run Python and reach a model hub; nothing else leaks into a pod.
_INHERITED = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "SSL_CERT_FILE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
    "LD_LIBRARY_PATH",
)
_FIRST_PUBLIC_PORT = 30000
PUBLIC_IP = "127.0.0.1"


def ssh_port(pod: PodRecord) -> int:
    """The public port a pod's port 22 is shown under. Nothing listens there."""
    return _FIRST_PUBLIC_PORT + pod.sequence % 10000


def marker(pod: PodRecord) -> str:
    """By this variable the processes of a pod are found again."""
    return f"RUNPOD_POD_ID={pod.id}"


def environment(pod: PodRecord, settings: Settings, base_url: str, work_dir: Path) -> dict[str, str]:
    """Variables for PID 1. RunPod's own win over the request's, as they do there."""
    env = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    env["PYTHONUNBUFFERED"] = "1"
    env["OMP_NUM_THREADS"] = str(settings.threads)
    env.update(pod.env)
    env.update(_injected(pod, base_url))
    env["LORA_PIPELINE_MODELS_DIR"] = str(settings.models_dir)
    env["LORA_PIPELINE_WORK_DIR"] = str(work_dir)
    env["PYTHONPATH"] = _joined(str(settings.trainer_dir), env.get("PYTHONPATH"), os.pathsep)
    # A proxy of this machine must not catch the calls to the control plane, which is on loopback too.
    for name in ("NO_PROXY", "no_proxy"):
        env[name] = _joined("127.0.0.1,localhost", os.environ.get(name), ",")
    return env


def _injected(pod: PodRecord, base_url: str) -> Mapping[str, str]:
    return {
        "RUNPOD_POD_ID": pod.id,
        "RUNPOD_API_KEY": pod.pod_key,
        "RUNPOD_API_BASE_URL": base_url,
        "RUNPOD_DC_ID": pod.data_center_id,
        "RUNPOD_GPU_COUNT": str(pod.gpu_count),
        "RUNPOD_PUBLIC_IP": PUBLIC_IP,
        "RUNPOD_TCP_PORT_22": str(ssh_port(pod)),
    }


def _joined(first: str, rest: str | None, separator: str) -> str:
    return separator.join(part for part in (first, rest) if part)
