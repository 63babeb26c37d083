"""The rows all trainers get: chat conversations with a wide spread of lengths, made from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from trainer.chat import ChatRenderer, Example
from trainer.rows import Conversation

LONGEST_TOKENS = 1024
SYSTEM = "You answer for the harbour office. Be exact."
TOPICS = ["berths", "pilots", "tides", "customs", "cranes", "ferries", "storage", "repairs", "tolls", "fuel"]
SHIPS = ["Aurora", "Borealis", "Cormorant", "Dorado", "Estrella", "Fulmar", "Gannet", "Halcyon"]
QUESTIONS = [
    "What does {ship} need to know about {topic}?",
    "{ship} asks about {topic} on day {day}. What is the answer?",
    "Is anything about {topic} different on day {day}?",
    "Please explain {topic} to the crew of {ship}.",
]
ANSWERS = [
    "Go to the desk for {topic} on quay {day} and name the ship {ship}.",
    "For {topic} the office needs {day} hours of notice from {ship}.",
    "On day {day} {topic} are handled by the night watch, and {ship} waits outside.",
    "The rule on {topic} is written on page {day} of the handbook that {ship} carries.",
]


@dataclass(frozen=True)
class Rows:
    """Conversations as dictionaries, as training examples, and the examples that are held out."""

    conversations: list[dict[str, Any]]
    training: list[Example]
    held_out: list[Example]

    @property
    def tokens(self) -> int:
        """Useful tokens of one pass over the training rows: no padding."""
        return sum(len(example) for example in self.training)


def conversation(draw: random.Random) -> dict[str, Any]:
    """One conversation: one to eight exchanges, each answer of one to fourteen sentences."""
    messages = [{"role": "system", "content": SYSTEM}] if draw.random() < 0.5 else []
    topic, ship = draw.choice(TOPICS), draw.choice(SHIPS)
    for _ in range(min(8, 1 + int(draw.expovariate(0.7)))):
        day, first = draw.randint(1, 99), draw.randrange(len(ANSWERS))
        question = QUESTIONS[draw.randrange(len(QUESTIONS))].format(topic=topic, ship=ship, day=day)
        count = min(14, 1 + int(draw.expovariate(0.35)))
        sentences = [ANSWERS[(first + at) % len(ANSWERS)] for at in range(count)]
        answer = " ".join(sentence.format(topic=topic, ship=ship, day=day) for sentence in sentences)
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"messages": messages}


def make(tokenizer: Any, count: int, held_out: int, seed: int) -> Rows:
    """`count` training and `held_out` other conversations that fit LONGEST_TOKENS whole, so that nobody cuts any."""
    draw = random.Random(seed)
    chat = ChatRenderer(tokenizer, "the benchmark's model")
    chosen: list[tuple[dict[str, Any], Example]] = []
    while len(chosen) < count + held_out:
        row = conversation(draw)
        example = chat.example(Conversation(len(chosen) + 1, tuple(row["messages"])), LONGEST_TOKENS)
        if example is not None and not example.truncated:
            chosen.append((row, example))
    training, rest = chosen[:count], chosen[count:]
    return Rows([row for row, _ in training], [each for _, each in training], [each for _, each in rest])
