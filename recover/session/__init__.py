"""What the commands do. The only place that builds things: playbook + runtime + database + journal + observers.

options (the command line's words), loading (lint, schema), opening (building), planning (plan), running
(run, resume, mark), carrying (one process's part of a run), looking (status, runs, show), drills, bugs.
"""
