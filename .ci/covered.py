"""Reads coverage.py's JSON report: tells lines and branches of recover/, and fails below 90 % of the lines."""

from __future__ import annotations

import json
import sys

LINES = 90
WORST = 15

told = json.load(sys.stdin)
files = sorted(told["files"].items(), key=lambda item: len(item[1]["missing_lines"]), reverse=True)
for name, file in files[:WORST]:
    print(f"{len(file['missing_lines']):5} lines not run, {file['summary']['missing_branches']:4} branches  {name}")
total = told["totals"]
lines = 100 * total["covered_lines"] / total["num_statements"]
branches = 100 * total["covered_branches"] / total["num_branches"]
print(f"lines {lines:.1f} % (at least {LINES}), branches {branches:.1f} %; a process ended by SIGKILL does not count")
sys.exit(lines < LINES)
