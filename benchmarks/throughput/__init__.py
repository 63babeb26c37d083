"""What `benchmarks/trainer_throughput.py` runs: one trainer a process, all on the same rows, mask and settings."""
