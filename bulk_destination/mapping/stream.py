"""What is known of a stream before its first record."""

from dataclasses import dataclass

from bulk_destination.mapping.columns import Schema


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of a connection.

    `schema` is None where the catalog's JSON schema lists no properties. `primary_key` holds
    one path a column, `(("id",), ("tenant", "id"))`, and is empty where the catalog names none;
    `deduplicates` says whether the sync mode keeps one row of it, and `replaces` whether this sync
    is to take the place of all that came before. `sync_id` is the number of Airbyte's job, the same
    over its attempts (always 1 from PyAirbyte), and 0 where the catalog names none. `object_name`
    is what the connection's mapping makes of it, if it says so, and `updates` whether it is in
    Airbyte's mode `update`.
    """

    name: str
    namespace: str | None = None
    schema: Schema | None = None
    primary_key: tuple[tuple[str, ...], ...] = ()
    deduplicates: bool = False
    replaces: bool = False
    sync_id: int = 0
    object_name: str | None = None
    updates: bool = False

    def __str__(self) -> str:
        return f"`{self.name}`" + (f" of `{self.namespace}`" if self.namespace else "")
