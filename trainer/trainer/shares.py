"""How the work of one step is divided among processes: pure functions, so no process has to tell another."""

from __future__ import annotations

from collections.abc import Sequence


def divide(indices: Sequence[int], lengths: Sequence[int], processes: int) -> list[list[int]]:
    """One list of `indices` per process, every index in exactly one of them, balanced by tokens.

    `lengths` gives the tokens of each index. The longest conversation left goes to the process with the fewest
    tokens so far (the lowest one of several), which keeps the largest share within 4/3 of the best possible
    (Graham 1969, longest processing time first). Inside a share the given order is kept, so conversations of
    like length stay neighbours. With fewer conversations than processes some shares are empty.
    """
    if processes == 1:
        return [list(indices)]
    loads = [0] * processes
    owner: dict[int, int] = {}
    for position in sorted(range(len(indices)), key=lambda at: (-lengths[indices[at]], at)):
        process = min(range(processes), key=lambda at: (loads[at], at))
        owner[position] = process
        loads[process] += max(1, lengths[indices[position]])
    return [
        [index for position, index in enumerate(indices) if owner[position] == process]
        for process in range(processes)
    ]
