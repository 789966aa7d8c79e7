"""What the two stand-ins for Grafana share: its health, and what it says of dashboards that it cannot show.

DASHBOARDS is the folder that the dashboards are provisioned from, as in config/grafana/provider.yml.
"""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from stand_ins.serving import Answer

HEALTH = Answer(json.dumps({"database": "ok", "version": "stand-in", "commit": "none"}).encode())
UNTITLED = "Dashboard title cannot be empty"


def read_dashboards() -> None:
    """Say of each dashboard without a title what Grafana 11 says when it reads it at its start."""
    for file in sorted(Path(os.environ["DASHBOARDS"]).rglob("*.json")):
        if not json.loads(file.read_text()).get("title"):
            now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
            said = f'level=error msg="failed to load dashboard from " file={file} error="{UNTITLED}"'
            print(f"logger=provisioning.dashboard t={now} {said}", flush=True)
