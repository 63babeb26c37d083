"""Whole domain objects with sensible values; tests change what they are about."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from chalicelib.domain.configuration import Configuration, GpuChoice, Hyperparameters
from chalicelib.domain.gpu import Tier
from chalicelib.domain.identity import Role, User
from chalicelib.domain.job import DatasetRef, Job
from chalicelib.domain.person import Person

from tests.fakes import START

DANA = User(
    id="usr_dana00000001",
    email="dana@example.com",
    name="Dana Reyes",
    role=Role.OWNER,
    created_at=START,
)
MIRO = User(
    id="usr_miro00000001",
    email="miro@example.com",
    name="Miro Vale",
    role=Role.MEMBER,
    created_at=START,
)
HYPERPARAMETERS = Hyperparameters(
    learning_rate=2e-4,
    batch_size=2,
    gradient_accumulation_steps=2,
    epochs=3,
    rank=16,
    alpha=32,
    dropout=0.1,
    warmup_ratio=0.05,
    scheduler="cosine",
    target_modules=("q_proj", "v_proj"),
)
GPU = GpuChoice("NVIDIA H100 PCIe", "H100 PCIe 80GB", 1, Tier.SPOT)


def a_person(user: User = DANA) -> Person:
    return user.as_person()


def a_job(number: int = 1, *, at: datetime = START, **changes: Any) -> Job:
    job = Job(
        id=f"job_{number:016d}",
        name=f"Harbour run {number}",
        created_by=DANA.as_person(),
        created_at=at,
        changed_at=at,
        dataset=DatasetRef(
            "ds_0000000000000001", "Harbour", "datasets/ds/source.jsonl", "a" * 64, "chat", 80, 120, 9000
        ),
        configuration=Configuration("balanced", HYPERPARAMETERS, GPU, "tiny-llama", "none"),
        spend_cap_usd=Decimal("5.00"),
    )
    return replace(job, **changes)
