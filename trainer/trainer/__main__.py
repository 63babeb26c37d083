"""`python -m trainer`: config, data, model, train, evaluate, export, upload; then wait to be switched off."""

from __future__ import annotations

import logging
import shutil
import sys

from trainer import config, data, evaluate, events, export, launch, merge, model, model_cache, train
from trainer.chat import ChatRenderer
from trainer.ending import guarded, idle, idle_without_job
from trainer.errors import BadConfigurationError
from trainer.follower import follow
from trainer.group import Many, Solo
from trainer.pod import Pod, open_pod, report_bad_job
from trainer.report import Hello
from trainer.resources import Machine, inspect_machine
from trainer.session import open_session
from trainer.signals import Termination


def recipe(pod: Pod, machine: Machine, hello: Hello) -> None:
    """Train one adapter, from the job file to stored artefacts. Every way it can end early is an
    exception."""
    job, say, check = pod.job, pod.report.say, pod.check
    cache = model_cache.ModelCache(pod.environment.models_dir, job.base_model)

    tokenizer = model_cache.Lazy(lambda: model_cache.load_tokenizer(cache.tokenizer_folder()))
    prepared = data.prepare(
        job, pod.folder, pod.transfers, lambda: ChatRenderer(tokenizer(), job.base_model.name), say, check
    )
    say(data.plan_event(job, prepared), True)
    pod.group.share(prepared)

    loaded = model.load(job, cache, tokenizer(), machine, max(prepared.lengths), say, check)
    session = open_session(pod, machine, prepared, loaded, hello)
    ended_by = train.train(session)

    folder = pod.folder / "artifacts"
    say(events.stage("finalization", "Saving LoRA adapters to storage...", 0.0), True)
    weights, adapter_config = export.export_adapter(folder, job, loaded)
    say(events.stage("finalization", f"Uploading {weights.path.name} ({weights.megabytes}MB)...", 0.4), True)
    pod.transfers.upload("artifacts", [weights], attempts=train.ARTIFACT_TRIES)
    say(events.stage("finalization", f"Uploading {adapter_config.path.name}...", 0.6), False)
    pod.transfers.upload("artifacts", [adapter_config], attempts=train.ARTIFACT_TRIES)

    say(events.stage("finalization", "Calculating final metrics...", 0.7), True)
    brief = ended_by == "finish"
    evaluation = evaluate.final(
        job, loaded, prepared, machine, session.progress.base_row_losses, brief, check
    )
    say(events.stage("finalization", "Generating training summary...", 0.85), True)
    summary = export.summarise(job, machine, prepared, session.progress, evaluation, ended_by)
    merged = merge.export_merged(
        folder / merge.FOLDER, job, cache.folder, loaded, pod.told_to_finish, pod.transfers, say, check
    )
    rest = export.export_rest(folder, job, loaded, prepared, summary, evaluation, merged)
    pod.transfers.upload("artifacts", rest, attempts=train.ARTIFACT_TRIES)

    say(events.stage("finalization", "Cleaning up temporary files...", 0.95), False)
    session.keeper.wait(train.CANCEL_UPLOAD_SECONDS)
    files = [weights, adapter_config, *rest, *(merged.files if merged else ())]
    entries = [file.entry() for file in files]
    say({"type": "artifacts", "path": "artifacts", "files": entries, "summary": summary}, True)
    say(events.stage("finalization", "Training finished and all files are stored", 1.0, completed=True), True)
    shutil.rmtree(pod.folder / "checkpoints", ignore_errors=True)


def main() -> int:
    """Run the recipe once; the process then stays, because a provider restarts and bills a container that
    exits."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(levelname)s %(message)s"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # It warns of a faster kernel that only a hub has, on every start.
    logging.getLogger("bitsandbytes.backends.cpu").setLevel(logging.ERROR)
    environment = None
    try:
        environment = config.read_environment(config.system_environment())
        job = config.parse_job(environment.job_text)
    except BadConfigurationError as error:
        idle_without_job(error, environment, report_bad_job)
        return 0
    if not job.quantizes:
        # peft imports it wherever it is installed, a third of the CPU time of a start.
        sys.modules["bitsandbytes"] = None  # type: ignore[assignment]
    if (processes := launch.wanted(job, environment)) > 1:
        return launch.supervise(job, environment, processes, config.system_environment())
    machine = inspect_machine(environment.seat)
    group = Many(environment.seat, machine) if environment.seat else Solo()
    if isinstance(group, Many) and not group.leads:
        return follow(job, environment, machine, group)
    with open_pod(job, environment, group) as pod:
        Termination(pod.terminate, numbers=group.termination_signals).install()
        guarded(pod, machine, recipe)
        idle(pod)
    return 0


if __name__ == "__main__":
    sys.exit(main())
