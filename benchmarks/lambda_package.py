"""What a cold start costs: the size of the package, and the API's import time. Prints one JSON line.

    python benchmarks/lambda_package.py [--quick]

The peer is the bare import of the three libraries that any such API needs (chalice, boto3, pynamodb), from the same
package, in the same interpreter, in turns with ours. Each import runs in a fresh process that sees only the standard
library and the package, as a Lambda does; CPU seconds count, so that other work on the machine does not. The package is
what `make package` built.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1] / "build" / "package" / "deployment.zip"
GOAL = {"zip_bytes": 25_000_000, "api_import_ratio": 1.5}
IMPORTS = {
    "bare": "import chalice, boto3, pynamodb.models",
    "api": "import app",
    "step": "import chalicelib.steps.poll_pod",
}
TIMED = """
import sys, time
sys.path.insert(0, sys.argv[1])
started = time.process_time()
{imports}
print(time.process_time() - started)
"""


def import_seconds(folder: Path, imports: str) -> float:
    """CPU seconds that the import takes in a fresh interpreter. RuntimeError with its words when it fails."""
    python = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    command = [str(python), "-I", "-S", "-B", "-c", TIMED.format(imports=imports), str(folder)]
    result = subprocess.run(command, env={}, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"`{imports}` fails in the package:\n{result.stderr}")
    return float(result.stdout)


def measure(rounds: int) -> dict[str, Any]:
    """Sizes in bytes and median import times in seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with zipfile.ZipFile(PACKAGE) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
            archive.extractall(folder)
        times: dict[str, list[float]] = {kind: [] for kind in IMPORTS}
        # The first round warms the disk cache for all alike and is not counted.
        for number in range(rounds + 1):
            for kind, imports in IMPORTS.items():
                seconds = import_seconds(folder, imports)
                if number:
                    times[kind].append(seconds)
    medians = {kind: statistics.median(values) for kind, values in times.items()}
    return {
        "zip_bytes": PACKAGE.stat().st_size,
        "unpacked_bytes": unpacked,
        "bare_import_seconds": round(medians["bare"], 4),
        "api_import_seconds": round(medians["api"], 4),
        "step_import_seconds": round(medians["step"], 4),
        "api_import_ratio": round(medians["api"] / medians["bare"], 3),
        "step_import_ratio": round(medians["step"] / medians["bare"], 3),
        "rounds": rounds,
    }


def main() -> int:
    """0 when the goal is met, 1 when not, 2 when there is no package."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three rounds instead of fifteen")
    rounds = 3 if parser.parse_args().quick else 15
    if not PACKAGE.exists():
        print("There is no package. Make it with: make package", file=sys.stderr)
        return 2
    figures = measure(rounds)
    met = all(figures[name] <= limit for name, limit in GOAL.items())
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    line = {"benchmark": "lambda_package", "figures": figures, "goal": GOAL, "met": met, "machine": machine}
    print(json.dumps(line))
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
