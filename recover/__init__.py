"""recover: brings a broken Docker Compose stack back in the order that works."""

__version__ = "0.1.0"
