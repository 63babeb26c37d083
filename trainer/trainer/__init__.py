"""Trains one LoRA adapter on one machine and reports every step of it."""

__version__ = "0.2.0"
