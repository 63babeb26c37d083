"""A stand-in for RunPod's REST v2 on one machine: the same protocol, with child processes for pods."""
