"""Composes blueprints, nothing else."""

import gc

gc.disable()  # what imports make lives for ever: collecting in between would only lengthen the cold start

from chalice import Chalice  # type: ignore[attr-defined]
from chalicelib import schedules, storage_events
from chalicelib.routes import (
    catalog,
    datasets,
    health,
    job_views,
    jobs,
    jobs_list,
    me,
    models,
    notifications,
    openapi,
    session,
    tokens,
    webhooks,
)
from chalicelib.steps import (
    await_stage,
    collect_artifacts,
    poll_pod,
    prepare_recovery,
    provision_pod,
    settle_job,
    terminate_pod,
)

app = Chalice(app_name="lora-pipeline")
ROUTES = (health, session, me, tokens, catalog, datasets, jobs_list, jobs, job_views, models, notifications)
STEPS = (provision_pod, await_stage, poll_pod, prepare_recovery, terminate_pod, collect_artifacts, settle_job)
for module in (*ROUTES, webhooks, openapi, *STEPS, schedules, storage_events):
    app.register_blueprint(module.bp)
gc.freeze()
gc.enable()
