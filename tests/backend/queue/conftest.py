from tests.backend.routes.conftest import site

__all__ = ["site"]
