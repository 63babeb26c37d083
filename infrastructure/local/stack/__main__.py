"""`python -m stack run` and `python -m stack stop`. LORA_PIPELINE_HOME names the state folder, PORT the
site's port.
"""

from __future__ import annotations

import argparse
import sys

from stack.deployment import DeploymentError
from stack.owner import SignInError
from stack.places import Home
from stack.run import AlreadyRunningError, Run, announce_running, default_frontend, default_package
from stack.stop import stop
from stack.waiting import StartFailedError


def _say(line: str) -> None:
    print(line, flush=True)


def _run(home: Home) -> int:
    try:
        Run(home, default_package(), default_frontend(), _say).until_signalled()
    except AlreadyRunningError:
        return announce_running(home, _say)
    except (DeploymentError, SignInError, StartFailedError, FileNotFoundError, ValueError) as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    return 0


def main() -> int:
    """Exit status 0 when the stack ran and stopped in order, 1 with a sentence on stderr otherwise."""
    parser = argparse.ArgumentParser(prog="python -m stack", description=__doc__)
    parser.add_argument("command", choices=("run", "stop"))
    command = parser.parse_args().command
    home = Home.from_environment()
    if command == "run":
        return _run(home)
    stop(home, _say)
    return 0


if __name__ == "__main__":
    sys.exit(main())
