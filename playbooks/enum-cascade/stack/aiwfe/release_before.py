"""The release before the incident, made from the deployed one: every enum column persists member values.

The only difference between the two releases is here, so that `models.py` stays the code of the incident.
"""

from sqlalchemy import Enum, MetaData

from aiwfe.models import DocumentStatus

NOT_YET_KNOWN = {DocumentStatus.ARCHIVED}


def apply(metadata: MetaData) -> None:
    """Make every enum column expect the labels of the migration. Call it before the first query."""
    for table in metadata.tables.values():
        for column in table.columns:
            if isinstance(column.type, Enum) and column.type.enum_class:
                column.type = persisting_values(column.type)


def persisting_values(kind: Enum) -> Enum:
    """The same type, persisting values, without the members that came with the incident's release."""
    values = Enum(kind.enum_class, name=kind.name, values_callable=lambda members: [each.value for each in members])
    values.enums = [each.value for each in kind.enum_class if each not in NOT_YET_KNOWN]
    return values
