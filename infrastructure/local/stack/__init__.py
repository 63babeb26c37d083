"""Runs the whole product on one machine: AWS stand-in, deployment, RunPod stand-in and the site's one
origin.
"""
