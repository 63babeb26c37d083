"""Starts ministack, a local AWS stand-in, with the corrections this product relies on.

Each module under this package that defines `apply` corrects one behaviour and refuses to run against upstream
code it was not written for.
"""
