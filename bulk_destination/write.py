"""Airbyte's `write`: messages in, settled states out."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from bulk_destination.connection import Connection
from bulk_destination.delivery.throttling import running_status
from bulk_destination.ledger import Ledgers
from bulk_destination.loading.surroundings import Surroundings
from bulk_destination.loading.walk import Walk
from bulk_destination.look.dry_run import DryRun
from bulk_destination.mapping.stream import Stream
from bulk_destination.protocol.messages import Message
from bulk_destination.rejected.object_storage import open_object_storage
from bulk_destination.rejected.saving import Saving

Item = TypeVar("Item")


class Watch(Protocol):
    """Who looks on."""

    def counts(self, ledgers: Ledgers) -> None:
        """How far it is."""

    def waits(self, service: str, seconds: float, of_identities: bool) -> None:
        """Something waits for a quota."""


@dataclass(slots=True)
class Sync(Generic[Item]):
    """One run of `write`: a walk, and the lines that leave."""

    walk: Walk[Item]
    #: Lines that leave before the next states.
    _statuses: list[bytes] = field(default_factory=list)

    def run(self, source: Iterable[list[Item]], watch: Watch | None = None) -> Iterator[bytes]:
        """Loads all of `source`; yields each state's line once all before it is safe.

        Between them are lines that have the platform show when a quota holds a stream up. `watch`
        is shown the counts as they change, and told of waits.
        Raises a SyncError, or what the source raised; what is settled by then has left as states
        before it.
        """
        self.walk.limited = self._limited
        if watch is not None:
            self.walk.watch = lambda _: watch.counts(self.walk.ledgers)
            self.walk.waits = watch.waits
        with closing(self.walk.run(source)) as settled:
            for firsts in settled:
                statuses, self._statuses = self._statuses, []
                yield from statuses
                yield from self.walk.checkpoints.settled(firsts)

    @property
    def keeps_rejected(self) -> bool:
        """Whether files hold rejected records, long ones among them."""
        return self.walk.storage is not None

    def interrupt(self, signal_name: str) -> None:
        """Ends the sync early; callable from a signal handler."""
        self.walk.interrupt(signal_name)

    def _limited(self, stream: Stream, seconds: float | None) -> None:
        now = self.walk.surroundings.now()
        reset = None if seconds is None else int((now + seconds) * 1000)
        self._statuses.append(running_status(stream, int(now * 1000), reset))


def walk_of(
    connection: Connection,
    read: Callable[[Sequence[Item]], Iterator[Message]],
    line_of: Callable[[Item], bytes],
    program: str,
    surroundings: Surroundings | None = None,
) -> Sync[Item] | DryRun[Item]:
    """A sync, or a dry run where the configuration asks for one; `program` is who asks S3.

    Where rejected records go is proven to work. Raises ConfigurationError or ObjectStorageError.
    """
    if connection.config.dry_run:
        return DryRun(connection, read)
    storage = open_object_storage(connection.config.object_storage_config, program)
    if storage is not None:
        Saving().run(storage.prove)  # so that a signal need not wait for it
    return Sync(Walk(connection, read, line_of, storage, surroundings or Surroundings()))
