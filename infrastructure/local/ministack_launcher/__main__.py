"""`python -m ministack_launcher --port PORT --state-dir FOLDER`: the AWS stand-in, corrected and durable."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from ministack_launcher.launch import corrected_app, settings


def main() -> None:
    """Read the command line, set ministack's environment, correct it and serve until a signal."""
    parser = argparse.ArgumentParser(prog="python -m ministack_launcher", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--state-dir", type=Path, required=True, help="folder that keeps the state")
    arguments = parser.parse_args()
    state_dir = arguments.state_dir.resolve()
    shutil.rmtree(state_dir / "tmp", ignore_errors=True)
    (state_dir / "tmp").mkdir(parents=True)
    # ministack reads its settings when it is imported, so they come first.
    os.environ.update(settings(arguments.port, state_dir))
    app = corrected_app(state_dir)
    sys.argv = ["ministack"]
    app.main()


if __name__ == "__main__":
    main()
