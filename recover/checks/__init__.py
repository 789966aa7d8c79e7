"""The table of checks: a new one is a file beside this and a line here."""

from recover.table import Table

CHECK_TYPES = Table(
    {
        "service": "recover.checks.service:ServiceIs",
        "sql": "recover.checks.sql:SqlAnswers",
        "enum": "recover.checks.enum:EnumLabels",
        "http": "recover.checks.http:HttpAnswers",
        "login": "recover.checks.login:LoginWorks",
        "logs": "recover.checks.logs:LogsAre",
        "file": "recover.checks.file:FileIs",
        "mounts": "recover.checks.mounts:MountsAreThere",
        "tls": "recover.checks.tls:TlsIsGood",
        "scrape": "recover.checks.scrape:ScrapeWorks",
        "targets": "recover.checks.targets:TargetsUp",
        "promql": "recover.checks.promql:PromqlAnswers",
        "grafana": "recover.checks.grafana:GrafanaShows",
    }
)
