"""Stage 1: fetch, read, split and tokenise the training file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trainer import batches, events
from trainer.chat import ChatRenderer, Example
from trainer.config import Job
from trainer.errors import BadDatasetError, UploadFailedError
from trainer.rows import Conversation, read_rows
from trainer.upload import NotStoredError, Transfers, describe

VALIDATION_SHARE = 0.2


@dataclass(frozen=True)
class Prepared:
    """Everything training needs to know about the dataset.

    Examples are mostly one per conversation (see ChatRenderer.examples); validation_conversations[i] is the one
    that validation[i] was made of. The counts are of conversations.
    """

    training: list[Example]
    validation: list[Example]
    validation_conversations: list[Conversation]
    skipped: int
    truncated: int
    folded_systems: int
    training_pairs: int
    lengths: list[int] = field(default_factory=list)

    @property
    def training_count(self) -> int:
        """Conversations that are trained on."""
        return len({example.line for example in self.training})

    @property
    def validation_count(self) -> int:
        """Conversations held out."""
        return len({example.line for example in self.validation})

    @property
    def training_tokens(self) -> int:
        """Tokens of one pass over the training split."""
        return sum(self.lengths)

    @property
    def supervised_tokens(self) -> int:
        """Tokens of one pass that carry loss."""
        return sum(example.supervised_tokens for example in self.training)


def prepare(
    job: Job,
    folder: Path,
    transfers: Transfers,
    renderer: Callable[[], ChatRenderer],
    say: events.Say,
    check: Callable[[], None],
) -> Prepared:
    """Run the preprocessing stage. `check` is called between its parts and may raise to stop the run.

    Raises BadDatasetError when the file is missing, differs from what was validated, or cannot be used.
    """
    say(events.stage("preprocessing", "Downloading training file from storage...", 0.0), True)
    path = _fetch(job, folder, transfers)
    check()
    say(events.stage("preprocessing", f"Parsing {job.dataset.conversations} conversations...", 0.2), False)
    conversations = read_rows(path, job.dataset.format)
    check()
    name = job.base_model.name
    say(events.stage("preprocessing", f"Tokenizing text with {name} tokenizer...", 0.4), True)
    chat = renderer()
    limit = min(job.hyperparameters.max_sequence_length, job.base_model.context_length)
    examples = _tokenise(conversations, chat, limit, check)
    say(events.stage("preprocessing", "Creating train/validation split (80/20)...", 0.7), False)
    training, validation = split(conversations, job.seed)
    say(events.stage("preprocessing", "Validating dataset format...", 0.9), False)
    prepared = _collect(conversations, examples, training, validation, chat.folded_systems)
    if not prepared.training:
        raise BadDatasetError(
            "No conversation in the training split has an assistant turn to learn from. "
            "Add assistant answers to the file and upload it again."
        )
    say(events.stage("preprocessing", "Preprocessing complete", 1.0, completed=True), True)
    return prepared


def plan_event(job: Job, prepared: Prepared) -> events.Event:
    """What will be trained."""
    per_epoch = batches.steps_per_epoch(len(prepared.training), job.hyperparameters.effective_batch_size)
    epochs = job.hyperparameters.epochs
    return {
        "type": "plan",
        "total_steps": per_epoch * epochs,
        "steps_per_epoch": per_epoch,
        "epochs": epochs,
        "training_conversations": prepared.training_count,
        "validation_conversations": prepared.validation_count,
        "training_pairs": prepared.training_pairs,
        "training_tokens": prepared.training_tokens,
        "supervised_tokens": prepared.supervised_tokens,
        "truncated_conversations": prepared.truncated,
        "skipped_conversations": prepared.skipped,
    }


def split(conversations: Sequence[Conversation], seed: int) -> tuple[list[int], list[int]]:
    """Positions of the training and the validation conversations, in file order.

    Depends on the seed and each conversation's content alone: equal conversations stay on one side, so a
    duplicate
    never leaks from training into validation, and an added row does not reshuffle the others. A single
    distinct
    conversation is all training.
    """
    groups: dict[str, list[int]] = {}
    for position, conversation in enumerate(conversations):
        key = hashlib.sha256(f"{seed}:{conversation.content_key}".encode()).hexdigest()
        groups.setdefault(key, []).append(position)
    wanted = max(1, round(len(conversations) * VALIDATION_SHARE))
    validation: list[int] = []
    for key in sorted(groups)[: len(groups) - 1]:
        if len(validation) >= wanted:
            break
        validation.extend(groups[key])
    held_out = set(validation)
    return [at for at in range(len(conversations)) if at not in held_out], sorted(held_out)


def _fetch(job: Job, folder: Path, transfers: Transfers) -> Path:
    path = folder / "dataset.jsonl"
    if path.exists() and describe(path).sha256 == job.dataset.sha256:
        return path
    try:
        transfers.download("dataset", path, job.dataset.sha256)
    except NotStoredError as error:
        raise BadDatasetError(
            f'The training file "{job.dataset.name}" cannot be used: {error}. '
            "Upload it again and start a new job."
        ) from error
    except UploadFailedError as error:
        raise UploadFailedError(
            f'The training file "{job.dataset.name}" could not be downloaded. {error}'
        ) from error
    return path


def _tokenise(
    conversations: Sequence[Conversation], chat: ChatRenderer, limit: int, check: Callable[[], None]
) -> list[list[Example]]:
    examples: list[list[Example]] = []
    for position, conversation in enumerate(conversations):
        if position % 100 == 0:
            check()
        examples.append(chat.examples(conversation, limit))
    return examples


def _collect(
    conversations: Sequence[Conversation],
    examples: Sequence[list[Example]],
    training: Sequence[int],
    validation: Sequence[int],
    folded_systems: int,
) -> Prepared:
    kept_training = [example for at in training for example in examples[at]]
    kept_validation = [(example, conversations[at]) for at in validation for example in examples[at]]
    return Prepared(
        training=kept_training,
        validation=[example for example, _ in kept_validation],
        validation_conversations=[conversation for _, conversation in kept_validation],
        skipped=sum(not found for found in examples),
        truncated=sum(any(example.truncated for example in found) for found in examples),
        folded_systems=folded_systems,
        training_pairs=sum(conversations[at].pairs for at in training if examples[at]),
        lengths=[len(example) for example in kept_training],
    )
