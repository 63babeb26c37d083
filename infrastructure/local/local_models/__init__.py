"""Models that need no hub: a tiny one built from this repository's text, and a small real one from a package
registry."""
