"""What the benchmarks of pages share: the built site behind the fixture server, and a real Chromium in front of it."""
