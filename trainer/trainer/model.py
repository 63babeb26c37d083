"""Stage 2: the base model, in 4 bits where asked, with fresh LoRA adapters in fp32 on top."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from trainer import events
from trainer.config import Job
from trainer.errors import BadConfigurationError, MemoryExhaustedError, ModelUnavailableError
from trainer.memory import BatchChoice, ModelShape, choose_batch
from trainer.model_cache import ModelCache
from trainer.resources import GIB, Machine

log = logging.getLogger(__name__)


@dataclass
class Loaded:
    """A model ready to train. `core` is the causal model with adapters injected, `peft` the wrapper around
    it."""

    peft: Any
    core: Any
    tokenizer: Any
    batch: BatchChoice

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
    batch = _fit(job, peft, machine, longest_tokens)
    loaded = Loaded(peft, peft.get_base_model(), tokenizer, batch)
    if batch.gradient_checkpointing:
        loaded.core.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
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
    except torch.OutOfMemoryError as error:
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


def shape_of(config: Any) -> ModelShape:
    """The sizes that decide memory, from a transformers configuration."""
    heads = config.num_attention_heads
    head_size = getattr(config, "head_dim", None) or config.hidden_size // heads
    return ModelShape(
        hidden=config.hidden_size,
        layers=config.num_hidden_layers,
        intermediate=config.intermediate_size,
        key_value=(getattr(config, "num_key_value_heads", None) or heads) * head_size,
        vocabulary=config.vocab_size,
        tied=bool(getattr(config, "tie_word_embeddings", False)),
    )


def _fit(job: Job, peft: Any, machine: Machine, longest_tokens: int) -> BatchChoice:
    """Choose the micro-batch. The base model is in memory already, so its bytes are added back to what is
    free."""
    loaded_bytes = sum(parameter.numel() * parameter.element_size() for parameter in peft.parameters())
    choice = choose_batch(
        shape_of(peft.get_base_model().config),
        job.hyperparameters.rank,
        job.quantization == "nf4",
        2 if machine.on_gpu else 4,
        longest_tokens,
        job.hyperparameters.batch_size,
        machine.free_bytes() + loaded_bytes,
    )
    if not choice.fits:
        # The estimate errs on the safe side, so the attempt is still made; a real failure is
        # reported with advice.
        log.warning("the estimate of %.1f GiB exceeds what is free", choice.estimated_bytes / GIB)
    return choice
