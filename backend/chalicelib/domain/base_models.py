"""Base models on offer: where they come from, pinned to a commit, and the shape behind memory and speed.

Shapes are those of each model's published config.json; revisions are commits of its repository on the hub.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.domain.training_memory import Shape

_LLAMA_NOTE = "Accept the licence on the model's hub page and set the organisation's hub token first."


@dataclass(frozen=True, slots=True)
class BaseModel:
    """cpu_tokens_per_second: only for local models, which are trained on the machine's own processor."""

    id: str
    name: str
    hub_id: str
    revision: str
    parameters: int
    context_length: int
    license: str
    license_accept_required: bool
    shape: Shape
    note: str | None = None
    cpu_tokens_per_second: float | None = None

    @property
    def local(self) -> bool:
        return self.cpu_tokens_per_second is not None

    @property
    def quantization(self) -> str:
        """4-bit weights on GPUs; local models are small and are trained in full precision."""
        return "none" if self.local else "nf4"


def _llama(
    model_id: str, name: str, revision: str, parameters: int, shape: Shape, license_: str
) -> BaseModel:
    return BaseModel(
        model_id,
        name,
        f"meta-llama/{name.replace(' ', '-')}",
        revision,
        parameters,
        131072,
        license_,
        True,
        shape,
        _LLAMA_NOTE,
    )


def _qwen(name: str, revision: str, parameters: int, context: int, shape: Shape, license_: str) -> BaseModel:
    hub_name = name.replace("Qwen ", "Qwen", 1).replace(" ", "-")
    return BaseModel(
        hub_name.lower(), name, f"Qwen/{hub_name}", revision, parameters, context, license_, False, shape
    )


def _mistral(name: str, revision: str, parameters: int, context: int, shape: Shape) -> BaseModel:
    hub_name = name.replace(" ", "-")
    return BaseModel(
        hub_name.lower(),
        name,
        f"mistralai/{hub_name}",
        revision,
        parameters,
        context,
        "apache-2.0",
        False,
        shape,
    )


HUB_MODELS: tuple[BaseModel, ...] = (
    _llama(
        "llama-3.1-8b-instruct", "Llama 3.1 8B Instruct", "0e9e39f249a16976918f6564b8830bc894c89659",
        8_030_261_248, Shape(4096, 32, 14336, 4096, 1024, 128256, False), "llama3.1",
    ),
    _llama(
        "llama-3.1-70b-instruct", "Llama 3.1 70B Instruct", "1605565b47bb9346c5515c34102e054115b4f98b",
        70_553_706_496, Shape(8192, 80, 28672, 8192, 1024, 128256, False), "llama3.1",
    ),
    _llama(
        "llama-3.2-1b-instruct", "Llama 3.2 1B Instruct", "9213176726f574b556790deb65791e0c5aa438b6",
        1_235_814_400, Shape(2048, 16, 8192, 2048, 512, 128256, True), "llama3.2",
    ),
    _llama(
        "llama-3.2-3b-instruct", "Llama 3.2 3B Instruct", "0cb88a4f764b7a12671c53f0838cd831a0843b95",
        3_212_749_824, Shape(3072, 28, 8192, 3072, 1024, 128256, True), "llama3.2",
    ),
    _qwen(
        "Qwen 2.5 7B Instruct", "a09a35458c702b33eeacc393d103063234e8bc28",
        7_615_616_512, 32768, Shape(3584, 28, 18944, 3584, 512, 152064, False), "apache-2.0",
    ),
    _qwen(
        "Qwen 2.5 14B Instruct", "cf98f3b3bbb457ad9e2bb7baf9a0125b6b88caa8",
        14_770_033_664, 32768, Shape(5120, 48, 13824, 5120, 1024, 152064, False), "apache-2.0",
    ),
    _qwen(
        "Qwen 2.5 32B Instruct", "5ede1c97bbab6ce5cda5812749b4c0bdf79b18dd",
        32_763_876_352, 32768, Shape(5120, 64, 27648, 5120, 1024, 152064, False), "apache-2.0",
    ),
    _qwen(
        "Qwen 2.5 72B Instruct", "495f39366efef23836d0cfae4fbe635880d2be31",
        72_706_203_648, 32768, Shape(8192, 80, 29568, 8192, 1024, 152064, False), "qwen",
    ),
    _qwen(
        "Qwen 3 4B", "1cfa9a7208912126459214e8b04321603b3df60c",
        4_022_468_096, 40960, Shape(2560, 36, 9728, 4096, 1024, 151936, True), "apache-2.0",
    ),
    _qwen(
        "Qwen 3 8B", "b968826d9c46dd6066d109eabc6255188de91218",
        8_190_735_360, 40960, Shape(4096, 36, 12288, 4096, 1024, 151936, False), "apache-2.0",
    ),
    _qwen(
        "Qwen 3 14B", "40c069824f4251a91eefaf281ebe4c544efd3e18",
        14_768_307_200, 40960, Shape(5120, 40, 17408, 5120, 1024, 151936, False), "apache-2.0",
    ),
    _qwen(
        "Qwen 3 32B", "9216db5781bf21249d130ec9da846c4624c16137",
        32_762_123_264, 40960, Shape(5120, 64, 25600, 8192, 1024, 151936, False), "apache-2.0",
    ),
    _mistral(
        "Mistral 7B Instruct v0.3", "c170c708c41dac9275d15a8fff4eca08d52bab71",
        7_248_023_552, 32768, Shape(4096, 32, 14336, 4096, 1024, 32768, False),
    ),
    _mistral(
        "Mistral Nemo Instruct 2407", "04d8a90549d23fc6bd7f642064003592df51e9b3",
        12_247_782_400, 131072, Shape(5120, 40, 14336, 4096, 1024, 131072, False),
    ),
    _mistral(
        "Mistral Small 24B Instruct 2501", "9527884be6e5616bdd54de542f9ae13384489724",
        23_572_403_200, 32768, Shape(5120, 40, 32768, 4096, 1024, 131072, False),
    ),
)  # fmt: skip

_LOCAL_NOTE = "Trained on this machine's processor; prices are those of the GPU you choose."

# Revisions are the ones the one-machine stack builds; a test holds them against its catalogue.
LOCAL_MODELS: tuple[BaseModel, ...] = (
    BaseModel(
        "smollm2-135m-instruct", "SmolLM2 135M Instruct", "HuggingFaceTB/SmolLM2-135M-Instruct",
        "gguf-q4_1-0.1.2", 134_515_008, 2048, "apache-2.0", False,
        Shape(576, 30, 1536, 576, 192, 49152, True), _LOCAL_NOTE, 70.0,
    ),
    BaseModel(
        "tiny-llama", "Tiny Llama (local)", "lora-pipeline/tiny-llama", "recipe-5680492e196c",
        1_049_728, 1024, "mit", False,
        Shape(128, 4, 384, 128, 64, 2048, True), _LOCAL_NOTE, 4000.0,
    ),
)  # fmt: skip

_BY_ID: Mapping[str, BaseModel] = {model.id: model for model in (*LOCAL_MODELS, *HUB_MODELS)}


def offered(local_models: bool) -> tuple[BaseModel, ...]:
    """What can be chosen; local models first, and only where the deployment has them."""
    return (*LOCAL_MODELS, *HUB_MODELS) if local_models else HUB_MODELS


def find(model_id: str) -> BaseModel | None:
    """Any model this version knows, so that old jobs keep their names."""
    return _BY_ID.get(model_id)
