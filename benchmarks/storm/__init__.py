"""What `benchmarks/webhook_ingest.py` and `benchmarks/aws_cost.py` share: simulated trainers on the one-machine stack."""
