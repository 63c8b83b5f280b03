"""The small centre of tests/streams."""

from tests.streams.conftest import centre, template

__all__ = ["centre", "template"]
