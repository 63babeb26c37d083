"""`make demo`: a whole job on this machine, from an uploaded file to an adapter in a folder.

Stack up -> base model ready -> upload -> estimate -> start -> follow -> download -> compare -> demo.json.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stack.control import Stack
from stack.demo_api import DemoApi, DemoFailedError
from stack.files import read_json
from stack.places import DEFAULT_SITE_PORT, REPOSITORY, Home, child_environment
from stack.waiting import StartFailedError, answers

EXAMPLES = REPOSITORY / "examples"
# Measured choices: see docs/demo.md.
DEMO_MODEL_ID = "smollm2-135m-instruct"
TINY_MODEL_ID = "tiny-llama"
POLL_SECONDS = 2.0
LEAST_IMPROVEMENT = 0.8


def main() -> int:
    began = time.monotonic()
    home = Home.from_environment()
    home.path.mkdir(parents=True, exist_ok=True)
    recipe = json.loads((EXAMPLES / "demo.json").read_text())
    stack = Stack(home.path, int(os.environ.get("PORT") or DEFAULT_SITE_PORT))
    try:
        model_id = _base_model(home)
        outputs = _stack_up(stack)
        result = _train(outputs, home, recipe, model_id)
    except (DemoFailedError, StartFailedError) as error:
        print(f"\nThe demo stopped: {error}\nLogs: {home.path / 'logs'}", file=sys.stderr)
        stack.stop()
        return 1
    result["seconds"] = round(time.monotonic() - began, 1)
    (home.path / "demo.json").write_text(json.dumps(result, indent=2) + "\n")
    if os.environ.get("DEMO_EXIT") == "1":
        _stop(home)
    else:
        print("The stack stays up: open the link above. `make stop` ends it.")
    problem = _disappointment(result, recipe, model_id)
    if problem:
        print(problem, file=sys.stderr)
    return 1 if problem else 0


def _disappointment(result: Mapping[str, Any], recipe: Mapping[str, Any], model_id: str) -> str | None:
    """What the demo promises and this run did not deliver; None when all is well."""
    if result["status"] != "completed":
        return "The job did not complete."
    if model_id != DEMO_MODEL_ID:
        return None
    before, after = result["base_validation_loss"], result["validation_loss"]
    if after > LEAST_IMPROVEMENT * before:
        return f"The validation loss fell from {before:.3f} to {after:.3f} only."
    learned = [fact for fact in result["facts"] if fact["adapter"] and not fact["base"]]
    return None if learned else f"None of the {len(recipe['questions'])} facts was learned."


def _base_model(home: Home) -> str:
    """Which model the demo trains: the pretrained one, or the tiny one where it cannot be had."""
    print("Preparing the base model (once; cached afterwards)…", flush=True)
    wanted = "tiny" if os.environ.get("DEMO_MODEL") == "tiny" else "demo"
    command = [sys.executable, "-m", "local_models", wanted, "--models-dir", str(home.models)]
    done = subprocess.run(
        command, env=child_environment(), cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise DemoFailedError(f"The base model could not be prepared:\n{done.stderr[-2000:]}")
    if "not available" in done.stderr:
        print(done.stderr.strip().splitlines()[-1])
    return TINY_MODEL_ID if "tiny-llama" in done.stdout else DEMO_MODEL_ID


def _stack_up(stack: Stack) -> Mapping[str, Any]:
    present = read_json(stack.home.outputs)
    if present and answers(present["site_url"]):
        print(f"The stack is up already: {present['site_url']}")
        return present
    print("Starting the one-machine stack…", flush=True)
    outputs = stack.start().outputs
    print(f"Up: {outputs['site_url']}")
    return outputs


def _train(
    outputs: Mapping[str, Any], home: Home, recipe: Mapping[str, Any], model_id: str
) -> dict[str, Any]:
    api = DemoApi(outputs["api_url"], outputs["token"])
    try:
        dataset = api.upload(EXAMPLES / recipe["dataset"], recipe["name"])
        print(
            f"Dataset ready: {dataset['conversations']} conversations, "
            f"{dataset['training_pairs']} training pairs, about {dataset['tokens']:,} tokens"
        )
        job = _start(api, dataset["id"], recipe, model_id)
        page = f"{outputs['site_url']}/training-jobs/{job['id']}"
        link = (
            f"{outputs['site_url']}/sign-in?next=/training-jobs/{job['id']}#access_token={outputs['token']}"
        )
        print(f"Watch it: {link}\n")
        job = _follow(api, job["id"])
        return _finish(api, job, home, recipe, page)
    finally:
        api.close()


def _start(api: DemoApi, dataset_id: str, recipe: Mapping[str, Any], model_id: str) -> Mapping[str, Any]:
    catalog = api.get("/catalog")
    gpu = {"type": catalog["default_gpu"], "count": 1, "tier": "spot", **recipe["job"].get("gpu", {})}
    wanted = {
        **recipe["job"],
        "dataset_id": dataset_id,
        "base_model": model_id,
        "gpu": gpu,
        "sample_questions": [entry["question"] for entry in recipe["questions"]],
    }
    asked = ("dataset_id", "preset_id", "hyperparameters", "gpu", "base_model")
    estimate = api.post("/jobs/estimate", {name: wanted[name] for name in asked if name in wanted})
    cost, cap = estimate["cost_usd"], wanted.get("spend_cap_usd") or estimate["spend_cap_usd"]
    print(f"Estimate: ${cost['low']} - ${cost['high']} at ${estimate['hourly_rate_usd']}/h; spend cap ${cap}")
    agreed = {"configuration": True, "cost": True, "budget": True}
    started: Mapping[str, Any] = api.post(
        "/jobs", {**wanted, "start": {"acknowledged": agreed}}, key=secrets.token_hex(16)
    )
    return started


def _follow(api: DemoApi, job_id: str) -> Mapping[str, Any]:
    """Prints a line whenever the job moved on (money alone is no reason); returns the job at its end."""
    said = ""
    while True:
        job: Mapping[str, Any] = api.get(f"/jobs/{job_id}")
        where = _where(job)
        if where != said:
            print(f"{job['badge']['label']:<14} ${job['cost']['spent_usd']:<8} {where}", flush=True)
            said = where
        if job["is_final"]:
            return job
        time.sleep(POLL_SECONDS)


def _where(job: Mapping[str, Any]) -> str:
    """Step and loss while it trains, else the sentence of the stage."""
    progress, loss = job["progress"], job["latest_metrics"]["training_loss"]["value"]
    if job["stage"] == "training" and progress["step"] and not job["is_final"]:
        shown = "" if loss is None else f"loss {loss:.3f}"
        return f"step {progress['step']:>3}/{progress['total_steps']}  {shown}"
    return str(progress["message"] or job["status_sentence"])


def _finish(
    api: DemoApi, job: Mapping[str, Any], home: Home, recipe: Mapping[str, Any], page: str
) -> dict[str, Any]:
    result: dict[str, Any] = {
        "job_id": job["id"],
        "status": job["status"],
        "base_validation_loss": None,
        "validation_loss": None,
        "cost_usd": job["cost"]["spent_usd"],
        "adapter_dir": None,
        "site_url": page,
    }
    if job["status"] != "completed":
        print(f"\nThe job did not complete: {job['status_sentence']}", file=sys.stderr)
        return result
    model = api.get(f"/models/{job['model_id']}")
    folder = api.download(model["id"], home.path / "adapters" / str(job["id"]))
    metrics = model["metrics"]
    result.update(
        base_validation_loss=metrics["base_validation_loss"],
        validation_loss=metrics["validation_loss"],
        adapter_dir=str(folder),
        facts=_facts(model, recipe),
    )
    _report(model, recipe, result, folder)
    return result


def _report(
    model: Mapping[str, Any], recipe: Mapping[str, Any], result: Mapping[str, Any], folder: Path
) -> None:
    before, after = result["base_validation_loss"], result["validation_loss"]
    print(f"\nValidation loss: {before:.3f} before, {after:.3f} after ({100 * (after / before - 1):+.0f} %)")
    answers_of = {sample["prompt"]: sample for sample in model["samples"]}
    for entry in recipe["questions"]:
        sample = answers_of.get(entry["question"])
        if sample is not None:
            mark = "✓" if entry["expect"] in sample["adapter"] else "·"
            print(f"\n{mark} {entry['question']}\n    base     {_short(sample['base'])}")
            print(f"    adapter  {_short(sample['adapter'])}")
    print(f"\nCost: ${result['cost_usd']} of simulated GPU time")
    print(f"Quality: {model['quality']['score']} of 5")
    print(f"Adapter: {folder}")
    print(f"Page:    {result['site_url']}")


def _facts(model: Mapping[str, Any], recipe: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Which answers carry the fact that was asked for: {question, expect, base, adapter}."""
    samples = {sample["prompt"]: sample for sample in model["samples"]}
    return [
        {**entry, **{who: entry["expect"] in samples[entry["question"]][who] for who in ("base", "adapter")}}
        for entry in recipe["questions"]
        if entry["question"] in samples
    ]


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 160 else flat[:157] + "..."


def _stop(home: Home) -> None:
    command = [sys.executable, "-m", "stack", "stop"]
    environment = {**child_environment(), "LORA_PIPELINE_HOME": str(home.path)}
    subprocess.run(command, env=environment, cwd=REPOSITORY, check=False)


if __name__ == "__main__":
    sys.exit(main())
