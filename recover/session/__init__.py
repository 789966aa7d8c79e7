"""What the commands do. The only place that builds things: playbook + runtime + database + journal + observers.

options (the command line's words), opening (building), planning (lint, schema, plan), running (run, resume,
mark), looking (status, runs, show), drills, bugs.
"""
