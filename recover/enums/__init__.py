"""The enum doctor: what differs from what the code expects, and how it is repaired, proven and undone."""
