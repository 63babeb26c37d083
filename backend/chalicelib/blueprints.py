"""Every module with routes, steps or schedules: what `app.py` composes."""

from __future__ import annotations

from chalicelib import schedules, storage_events
from chalicelib.routes import (
    approvals,
    budget,
    catalog,
    costs,
    datasets,
    exports,
    health,
    job_again,
    job_checkpoints,
    job_compare,
    job_pauses,
    job_views,
    jobs,
    jobs_bulk,
    jobs_list,
    me,
    models,
    notifications,
    openapi,
    organisation,
    queue,
    session,
    statistics,
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

ROUTES = (
    health,
    session,
    me,
    tokens,
    catalog,
    datasets,
    jobs_list,
    jobs_bulk,
    exports,
    jobs,
    job_again,
    job_checkpoints,
    job_compare,
    job_pauses,
    job_views,
    models,
    notifications,
    organisation,
    queue,
    statistics,
    approvals,
    budget,
    costs,
)
STEPS = (provision_pod, await_stage, poll_pod, prepare_recovery, terminate_pod, collect_artifacts, settle_job)
BLUEPRINTS = tuple(module.bp for module in (*ROUTES, webhooks, openapi, *STEPS, schedules, storage_events))
