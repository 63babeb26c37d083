from tests.backend.identity.world import world

__all__ = ["world"]
