"""Stage 2: the base model, in 4 bits where asked, with fresh LoRA adapters in fp32 on top."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from trainer import attention, events, fused
from trainer.config import Job
from trainer.errors import BadConfigurationError, MemoryExhaustedError, ModelUnavailableError
from trainer.model_cache import ModelCache
from trainer.resources import GIB, Machine, is_out_of_memory
from trainer.training_memory import (
    CPU_FIXED_BYTES,
    GPU_FIXED_BYTES,
    BatchChoice,
    Plan,
    Shape,
    choose_batch,
)

log = logging.getLogger(__name__)


@dataclass
class Loaded:
    """A model ready to train. `core` is the causal model with adapters injected, `peft` the wrapper around it.

    `plan` and `room_bytes` are what the memory estimate knew. `bounded`: it runs our attention, which keeps packed
    conversations apart without a mask; `packed`: a new run packs conversations into rows.
    """

    peft: Any
    core: Any
    tokenizer: Any
    batch: BatchChoice
    plan: Plan
    room_bytes: int = 0
    bounded: bool = False
    packed: bool = False

    @property
    def trainable(self) -> list[torch.nn.Parameter]:
        """The adapters' parameters, in the model's own order."""
        return [parameter for parameter in self.peft.parameters() if parameter.requires_grad]


def load(
    job: Job,
    cache: ModelCache,
    tokenizer: Any,
    machine: Machine,
    longest_tokens: int,
    say: events.Say,
    check: Callable[[], None],
) -> Loaded:
    """Run the model loading stage. Raises ModelUnavailableError, BadConfigurationError, MemoryExhaustedError
    or DiskFullError."""
    name = job.base_model.name
    say(events.stage("model_loading", "Checking model cache...", 0.0), True)
    cached = cache.complete
    if not cached:
        say(events.stage("model_loading", f"Downloading {name} from Hugging Face Hub...", 0.1), True)
        cache.fetch()
        check()
    else:
        say(events.stage("model_loading", "Loading model from cache...", 0.1), True)
    four_bit = job.quantization == "nf4"
    if four_bit:
        say(events.stage("model_loading", "Applying 4-bit quantization (QLoRA)...", 0.6), False)
    base = _load_base(job, cache.folder, machine)
    check()
    rank = job.hyperparameters.rank
    say(events.stage("model_loading", f"Initializing LoRA adapters (rank={rank})...", 0.8), True)
    peft = add_adapters(base, job)
    say(events.stage("model_loading", "Preparing training pipeline...", 0.95), False)
    plan = memory_plan(job, peft.get_base_model().config, machine)
    # The base model is in memory already, so its bytes are added back to what is free.
    room = machine.free_bytes() + sum(each.numel() * each.element_size() for each in peft.parameters())
    batch = _fit(job, plan, room, longest_tokens)
    fused.fuse_adapters(peft)
    core = peft.get_base_model()
    bounded = bound_attention(core)
    # Without our attention a packed row needs a mask of its length squared, which only a GPU makes up for.
    packed = job.batching == "packed" if job.batching else bounded or machine.on_gpu
    loaded = Loaded(peft, core, tokenizer, batch, plan, room, bounded, packed)
    if batch.gradient_checkpointing:
        loaded.core.activation_checkpointing_enable({"use_reentrant": False})
    message = f"Model loading complete (model cache {'hit' if cached else 'miss'})"
    say(events.stage("model_loading", message, 1.0, completed=True, cache="hit" if cached else "miss"), True)
    return loaded


def _load_base(job: Job, folder: Path, machine: Machine) -> Any:
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    arguments: dict[str, Any] = {"dtype": machine.compute_dtype, "local_files_only": True}
    if machine.on_gpu:
        arguments["device_map"] = {"": machine.device}
    if job.quantization == "nf4":
        arguments["quantization_config"] = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=machine.compute_dtype,
        )
    try:
        base = AutoModelForCausalLM.from_pretrained(folder, **arguments)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise MemoryExhaustedError(
            f"{job.base_model.name} does not fit this GPU's memory. Choose a GPU with more memory or a "
            "smaller model."
        ) from error
    except (OSError, ValueError, KeyError) as error:
        raise ModelUnavailableError(
            f"{job.base_model.name} in the model cache cannot be loaded: {error}. "
            "Delete its folder from the model volume so that it is downloaded again, then retry the job."
        ) from error
    base.config.use_cache = False
    _keep_weights_as_loaded(base)
    return base


def bound_attention(core: Any) -> bool:
    """Switch a model to our attention where it fits; whether it did."""
    if not attention.suits(core.config) or not getattr(core, "_supports_attention_backend", False):
        return False
    attention.register()
    core.set_attn_implementation(attention.NAME)
    return True


def _keep_weights_as_loaded(base: Any) -> None:
    """On some CPUs bitsandbytes repacks 4-bit weights, in place and for good, at the first forward pass in
    evaluation mode. What comes after computes in bf16 and passes no gradient, so that a validation would end the
    training of every layer but the last, and a resumed run, which has not validated yet, would differ."""
    for layer in base.modules():
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            layer.support_avx512bf16_for_cpu = False


def add_adapters(base: Any, job: Job) -> Any:
    """Wrap a base model with new adapters, initialised from the job's seed. Raises BadConfigurationError for
    unknown targets."""
    from peft import LoraConfig, get_peft_model

    parameters = job.hyperparameters
    targets = parameters.target_modules
    present = {name.rsplit(".", 1)[-1] for name, module in base.named_modules() if hasattr(module, "weight")}
    missing = [target for target in targets if target not in present and target != "all-linear"]
    if missing:
        linear = sorted(name for name in present if name.endswith("_proj"))
        raise BadConfigurationError(
            f"{job.base_model.name} has no module called {', '.join(missing)}. "
            f"Choose target modules among: {', '.join(linear) or ', '.join(sorted(present))}."
        )
    torch.manual_seed(job.seed)
    config = LoraConfig(
        r=parameters.rank,
        lora_alpha=parameters.alpha,
        lora_dropout=parameters.dropout,
        target_modules="all-linear" if targets == ("all-linear",) else list(targets),
        task_type="CAUSAL_LM",
        bias="none",
    )
    # Adapters stay in fp32 whatever the base computes in: 16-bit weights lose small updates.
    model = get_peft_model(base, config, autocast_adapter_dtype=True)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and "lora_" in name:
            parameter.data = parameter.data.float()
    return model


def shape_of(config: Any) -> Shape:
    """The sizes that decide memory, from a transformers configuration."""
    heads = config.num_attention_heads
    head_size = getattr(config, "head_dim", None) or config.hidden_size // heads
    return Shape(
        hidden=config.hidden_size,
        layers=config.num_hidden_layers,
        intermediate=config.intermediate_size,
        attention=heads * head_size,
        key_value=(getattr(config, "num_key_value_heads", None) or heads) * head_size,
        vocabulary=config.vocab_size,
        tied=bool(getattr(config, "tie_word_embeddings", False)),
    )


def memory_plan(job: Job, config: Any, machine: Machine) -> Plan:
    """What the memory estimate of this run is made from."""
    return Plan(
        shape_of(config),
        job.hyperparameters.rank,
        job.hyperparameters.target_modules,
        four_bit=job.quantization == "nf4",
        eight_bit_optimizer=job.optimizer_on(machine.on_gpu) == "adamw_8bit",
        value_bytes=2 if machine.on_gpu else 4,
        fixed_bytes=GPU_FIXED_BYTES if machine.on_gpu else CPU_FIXED_BYTES,
    )


def _fit(job: Job, plan: Plan, room_bytes: int, longest_tokens: int) -> BatchChoice:
    choice = choose_batch(plan, longest_tokens, job.hyperparameters.batch_size, room_bytes)
    if not choice.fits:
        # The estimate errs on the safe side, so the attempt is still made; a real failure is
        # reported with advice.
        log.warning("the estimate of %.1f GiB exceeds what is free", choice.estimated_bytes / GIB)
    return choice
