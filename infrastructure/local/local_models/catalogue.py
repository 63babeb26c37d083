"""What the backend's model catalogue and the trainer's cache call the local models. Plain constants, nothing
to import."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LocalModel:
    """One model that lives only on this machine."""

    id: str
    name: str
    hub_id: str
    revision: str
    license: str
    parameters: int
    context_length: int

    @property
    def folder_name(self) -> str:
        """Its folder below the models directory, as the trainer looks for it."""
        return f"{self.hub_id.replace('/', '--')}@{self.revision}"


TINY = LocalModel(
    id="tiny-llama",
    name="Tiny Llama (local)",
    hub_id="lora-pipeline/tiny-llama",
    revision="recipe-5680492e196c",
    license="mit",
    parameters=1_049_728,
    context_length=1024,
)

DEMO = LocalModel(
    id="smollm2-135m-instruct",
    name="SmolLM2 135M Instruct",
    hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
    revision="gguf-q4_1-0.1.2",
    license="apache-2.0",
    parameters=134_515_008,
    context_length=2048,
)

LOCAL_MODELS = (TINY, DEMO)
