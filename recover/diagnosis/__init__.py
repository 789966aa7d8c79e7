"""Why is it broken? Logs by their shapes, known causes, the questions that confirm them, and a verdict.

shapes (log lines), causes (recover/causes.yml), scene (what can be looked at), questions (by the names that the
causes call them), verdict (ranking, pure). Nothing here changes anything.
"""
