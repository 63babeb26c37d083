"""PID 1 of every pod of a stack under test: the real trainer, or the simulated one for jobs called `Simulated …`.

Words in brackets at the end of such a name change the script, e.g. `Simulated: slow [steps=80 step=0.2]`.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
from pathlib import Path

from tests.stack.simulated_script import MARK

REPOSITORY = Path(__file__).resolve().parents[2]


def command() -> str:
    """For LORA_PIPELINE_POD_COMMAND."""
    path = os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "trainer")))
    return shlex.join(["env", f"PYTHONPATH={path}", sys.executable, "-m", "tests.stack.pod_program"])


def main() -> None:
    """Simulate, or become the real trainer in this very process."""
    try:
        name = str(json.loads(os.environ["LORA_PIPELINE_JOB"])["job_name"])
    except (KeyError, ValueError):
        name = ""
    if not name.startswith(MARK):
        os.execv(sys.executable, [sys.executable, "-m", "trainer"])
    from tests.stack.simulated_pod import simulate

    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    simulate(os.environ, name)


if __name__ == "__main__":
    main()
