"""`python -m stack run`: brings the whole product up, says where it is, and takes it down again."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import IO, Any

from stack import first_look, lasting_settings, owner, parts, processes
from stack.deployment import Package, deploy
from stack.files import read_json, write_json
from stack.lasting_settings import LastingSettings
from stack.places import DEPLOYMENT_NAME, REPOSITORY, Home
from stack.waiting import StartFailedError, becomes_free

ANNOUNCE_TIMEOUT_SECONDS = 120.0
WATCH_SECONDS = 0.5
PORT_WAIT_SECONDS = 5.0
LOCK_NAME = "stack"


class AlreadyRunningError(RuntimeError):
    """Another process holds this state folder."""


def sign_in_link(outputs: dict[str, Any]) -> str:
    """The one link that signs a person in."""
    return f"{outputs['site_url']}/sign-in#access_token={outputs['token']}"


def take_lock(home: Home) -> IO[bytes]:
    """Hold the state folder until the file is closed or this process ends. Raises AlreadyRunningError."""
    home.path.mkdir(parents=True, exist_ok=True)
    file = home.lock.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise AlreadyRunningError(f"A stack already runs in {home.path}.") from error
    return file


def clear_leftovers(home: Home) -> None:
    """Kill servers that outlived a killed stack. Pods are not among them: they are found again."""
    book = processes.ProcessBook(home.processes)
    for process in book.all().values():
        # Killed, not asked: an orderly end of the RunPod stand-in would stop the pods.
        processes.kill(process)
    book.clear()
    home.outputs.unlink(missing_ok=True)


def mail_sender() -> str:
    """The address mails come from."""
    return os.environ.get("MAIL_FROM") or "lora-pipeline@example.com"


def parameters(settings: LastingSettings) -> dict[str, str]:
    """What the template is told; those it does not declare are left out later."""
    given = {
        "DeploymentName": DEPLOYMENT_NAME,
        "PublicUrl": settings.site_url,
        # The stand-in's API has no host name that resolves.
        "ReportUrl": settings.site_url,
        "RunpodApiBaseUrl": settings.runpod_url,
        "OwnerEmail": settings.owner_email,
        "MailFrom": mail_sender(),
        "TrainerImage": os.environ.get("TRAINER_IMAGE") or "lora-pipeline-trainer:local",
        "LocalModels": "true",
    }
    timings = os.environ.get("LORA_PIPELINE_TIMINGS")
    return {**given, "Timings": timings} if timings else given


class Run:
    """One run of a stack in one state folder."""

    def __init__(self, home: Home, package: Package, frontend: Path, say: Callable[[str], None]) -> None:
        self._home = home
        self._package = package
        self._frontend = frontend
        self._say = say
        self._stopping = threading.Event()

    def until_signalled(self) -> None:
        """Start, announce, wait for Ctrl-C, SIGTERM or the end of a part, and stop everything.

        Raises AlreadyRunningError, FileNotFoundError, StartFailedError, DeploymentError, SignInError.
        """
        self._package.require()
        with take_lock(self._home):
            clear_leftovers(self._home)
            previous = read_json(self._home.path / "token.json").get("token")
            settings = self._settings()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, self._on_signal)
            servers = parts.Parts(self._home, settings)
            processes.ProcessBook(self._home.processes).add(LOCK_NAME, processes.record_of(os.getpid()))
            is_stopped_in_order = False
            try:
                self._bring_up(servers, settings, previous)
                self._wait(servers)
                is_stopped_in_order = True
            except InterruptedError:
                self._say("Stopped before it was up.")
                is_stopped_in_order = True
            finally:
                self._take_down(servers, is_stopped_in_order)

    def _settings(self) -> LastingSettings:
        settings = lasting_settings.load(self._home)
        for port, what in (
            (settings.site_port, "set PORT to another one"),
            (settings.aws_port, f"or remove {self._home.path} to start afresh"),
            (settings.runpod_port, f"or remove {self._home.path} to start afresh"),
        ):
            if not becomes_free(port, PORT_WAIT_SECONDS):
                raise StartFailedError(
                    f"Port {port} on 127.0.0.1 is in use. Stop what listens there, {what}."
                )
        return settings

    def _bring_up(self, servers: parts.Parts, settings: LastingSettings, previous: str | None) -> None:
        began_at = time.monotonic()
        if not self._home.deployed.exists():
            # Half a first deployment holds nothing of a user's, and would stand in the way of a whole one.
            shutil.rmtree(self._home.aws, ignore_errors=True)
        servers.start_aws()
        self._check()
        servers.start_runpod()
        servers.wait_for(parts.AWS, f"{settings.aws_url}/_ministack/health")
        self._check()
        owner.store_secrets(settings, DEPLOYMENT_NAME)
        owner.verify_sender(settings, mail_sender())
        stack_outputs = deploy(settings.aws_url, DEPLOYMENT_NAME, self._package, parameters(settings))
        self._home.deployed.touch()
        self._check()
        stage_url = local_stage_url(stack_outputs["ApiUrl"], settings.aws_url)
        servers.start_site(stage_url, self._frontend)
        owner.ensure_owner(settings, stack_outputs["UserPoolId"])
        servers.wait_for(parts.RUNPOD, settings.runpod_url)
        servers.wait_for(parts.SITE, settings.site_url)
        self._check()
        token = owner.api_token(f"{settings.site_url}/api", settings, previous)
        write_json(self._home.path / "token.json", {"token": token})
        outputs = self._outputs(servers, settings, stack_outputs, token)
        write_json(self._home.outputs, outputs)
        self._say(f"LoRA Pipeline is up after {time.monotonic() - began_at:.1f} s. Sign in here:")
        self._say(sign_in_link(outputs))
        first_look.request(settings.aws_url, DEPLOYMENT_NAME)

    def _outputs(
        self, servers: parts.Parts, settings: LastingSettings, stack_outputs: dict[str, str], token: str
    ) -> dict[str, Any]:
        return {
            "site_url": settings.site_url,
            "api_url": f"{settings.site_url}/api",
            "token": token,
            "owner_email": settings.owner_email,
            "owner_password": settings.owner_password,
            "runpod_url": settings.runpod_url,
            "runpod_api_key": settings.runpod_api_key,
            "aws_endpoint_url": settings.aws_url,
            "state_machine_arn": stack_outputs.get("StateMachineArn", ""),
            "bucket": stack_outputs.get("BucketName", ""),
            "user_pool_id": stack_outputs["UserPoolId"],
            "user_pool_client_id": stack_outputs.get("UserPoolClientId", ""),
            "stage_url": local_stage_url(stack_outputs["ApiUrl"], settings.aws_url),
            "deployment": DEPLOYMENT_NAME,
            "pids": {LOCK_NAME: os.getpid(), **{name: p.pid for name, p in servers.started.items()}},
        }

    def _wait(self, servers: parts.Parts) -> None:
        while not self._stopping.wait(WATCH_SECONDS):
            ended = servers.ended()
            if ended is not None:
                raise StartFailedError(
                    f"The {ended} ended by itself; see {self._home.log(ended)}. Stopping the rest."
                )

    def _take_down(self, servers: parts.Parts, is_stopped_in_order: bool) -> None:
        # After a failure the pods go on training: the next start finds them, or `stop` ends them.
        servers.stop(leave_pods=not is_stopped_in_order)
        self._home.outputs.unlink(missing_ok=True)
        if is_stopped_in_order:
            processes.ProcessBook(self._home.processes).clear()

    def _check(self) -> None:
        if self._stopping.is_set():
            raise InterruptedError

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping.set()


def local_stage_url(api_url: str, aws_url: str) -> str:
    """The stage behind an API Gateway invoke URL, in the stand-in's path form.

    `https://ID.execute-api.REGION.amazonaws.com/STAGE/` needs a host name the machine does not resolve.
    """
    host, _, stage = api_url.partition("://")[2].partition("/")
    if ".execute-api." in host:
        return f"{aws_url}/_aws/execute-api/{host.partition('.')[0]}/{stage.strip('/')}"
    return api_url.rstrip("/")


def announce_running(home: Home, say: Callable[[str], None]) -> int:
    """Say where the stack that already runs is; waits while that one still starts. Exit status."""
    deadline = time.monotonic() + ANNOUNCE_TIMEOUT_SECONDS
    while not home.outputs.exists():
        if time.monotonic() > deadline:
            say(f"A stack holds {home.path} but does not come up; see {home.path}/logs.")
            return 1
        time.sleep(WATCH_SECONDS)
    say(f"A stack already runs in {home.path}. Sign in here:")
    say(sign_in_link(read_json(home.outputs)))
    return 0


def default_package() -> Package:
    """What `make package` writes, or LORA_PIPELINE_PACKAGE."""
    return Package(Path(os.environ.get("LORA_PIPELINE_PACKAGE") or REPOSITORY / "build" / "package"))


def default_frontend() -> Path:
    """The front end's folder, or LORA_PIPELINE_FRONTEND."""
    return Path(os.environ.get("LORA_PIPELINE_FRONTEND") or REPOSITORY / "frontend_static")
