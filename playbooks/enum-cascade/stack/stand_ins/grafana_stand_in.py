"""Stand-in for Grafana, which has no package here: answers /api/health, reads the dashboards and shows none."""

from stand_ins.grafana import HEALTH, read_dashboards
from stand_ins.serving import port_of, serve


def main() -> None:
    """Answer until a signal comes."""
    serve(
        port_of(),
        "Grafana's health, and the titles of its dashboards",
        {"/api/health": lambda _: HEALTH},
        first=read_dashboards,
    )


if __name__ == "__main__":
    main()
