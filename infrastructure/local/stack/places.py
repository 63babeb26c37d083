"""Where a stack keeps its files, and where it finds what it runs."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
DEFAULT_HOME = ".local"
DEFAULT_SITE_PORT = 8765
DEPLOYMENT_NAME = "lora-pipeline"
REGION = "us-east-1"
# The stand-in accepts any key pair; these are what its own documentation uses.
ACCESS_KEY = "test"


@dataclass(frozen=True)
class Home:
    """The state folder of one stack."""

    path: Path

    @classmethod
    def from_environment(cls) -> Home:
        """The folder named by LORA_PIPELINE_HOME, or `.local` in the repository."""
        chosen = Path(os.environ.get("LORA_PIPELINE_HOME") or DEFAULT_HOME)
        return cls((chosen if chosen.is_absolute() else REPOSITORY / chosen).resolve())

    @property
    def outputs(self) -> Path:
        """What a running stack tells others."""
        return self.path / "outputs.json"

    @property
    def processes(self) -> Path:
        """The processes this stack started, so that they can be found after a kill."""
        return self.path / "processes.json"

    @property
    def settings(self) -> Path:
        """Ports and secrets that stay the same across restarts."""
        return self.path / "settings.json"

    @property
    def lock(self) -> Path:
        """Held by the process that runs the stack, for as long as it lives."""
        return self.path / "run.lock"

    @property
    def aws(self) -> Path:
        """State of the AWS stand-in."""
        return self.path / "aws"

    @property
    def models(self) -> Path:
        """Base models on this machine: what a network volume holds for real pods."""
        return self.path / "models"

    @property
    def deployed(self) -> Path:
        """There once the first deployment has finished."""
        return self.path / "deployed"

    @property
    def runpod(self) -> Path:
        """State of the RunPod stand-in."""
        return self.path / "runpod"

    def log(self, name: str) -> Path:
        """The log file of one process; the folder is made when needed."""
        folder = self.path / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.log"


def stack_python() -> str:
    """The interpreter of the stand-in's own environment.

    Raises FileNotFoundError saying how to make it.
    """
    python = Path(
        os.environ.get("LORA_PIPELINE_STACK_PYTHON") or REPOSITORY / ".venv-stack" / "bin" / "python"
    )
    if not python.exists():
        raise FileNotFoundError(
            f"The AWS stand-in's environment is missing ({python}). Make it with: "
            "python3 -m venv .venv-stack && "
            ".venv-stack/bin/pip install -r infrastructure/local/requirements.txt"
        )
    return str(python)


def child_environment(**extra: str) -> dict[str, str]:
    """This process's environment for a child, with our packages importable and the stand-in's keys."""
    ours = str(REPOSITORY / "infrastructure" / "local")
    inherited = os.environ.get("PYTHONPATH")
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([ours, inherited] if inherited else [ours]),
        "PYTHONUNBUFFERED": "1",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
        **extra,
    }


def own_python() -> str:
    """The interpreter that runs this process, for children of the same environment."""
    return sys.executable
