"""Whether the provider has a pod of this name: what settles a create call whose reply was lost."""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.domain.gpu import Pod
from chalicelib.ports import GpuCloud

_LOOKS = 3
_SECONDS_BETWEEN_LOOKS = 2.0


def look_for_pod(
    name: str, cloud: GpuCloud, sleep: Callable[[float], None], pod_id: str | None = None
) -> Pod | None:
    """By exact name, and by id where it is known: a create call that was sent twice leaves two pods of one name.

    Absent only after several clean listings: a new pod may be listed late.
    """
    for look in range(_LOOKS):
        if look:
            sleep(_SECONDS_BETWEEN_LOOKS)
        for pod in cloud.list(name):
            if pod.name == name and pod.is_billed and pod_id in {None, pod.id}:
                return pod
    return None
