"""Stand-in for Grafana, which has no package here: answers /api/health and shows no dashboard."""

import json

from stand_ins.serving import Answer, port_of, serve

HEALTH = Answer(json.dumps({"database": "ok", "version": "stand-in", "commit": "none"}).encode())


def main() -> None:
    """Answer until a signal comes."""
    serve(port_of(), "Grafana's health and nothing else", {"/api/health": lambda _: HEALTH})


if __name__ == "__main__":
    main()
