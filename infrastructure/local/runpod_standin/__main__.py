"""`python -m runpod_standin --port P --state-dir DIR --api-key KEY`: runs the stand-in until SIGTERM."""

from __future__ import annotations

import sys

from runpod_standin.server import AlreadyRunningError, run
from runpod_standin.settings import parse


def main() -> int:
    settings = parse(sys.argv[1:])
    try:
        run(settings)
    except (AlreadyRunningError, OSError) as error:
        print(f"RunPod stand-in did not start: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
