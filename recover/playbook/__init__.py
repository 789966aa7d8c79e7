"""The playbook format: text -> frozen dataclasses, with every mistake named at its place."""
