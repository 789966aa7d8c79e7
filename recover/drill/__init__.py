"""Drills: build a replica of a stack, break it as in an incident, let the playbook recover it, score that."""
