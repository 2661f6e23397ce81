"""A connector as the CDK's `Destination`, for callers in the same process and Airbyte's tools.

Its commands are those of `command_line.py`; nothing there needs this module, nor the CDK.
"""

import argparse
import json
import logging
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

import orjson
from airbyte_cdk.destinations import Destination
from airbyte_cdk.models import (
    AirbyteConnectionStatus,
    AirbyteMessage,
    AirbyteMessageSerializer,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
    FailureType,
    Status,
)
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from bulk_destination import command_line
from bulk_destination.connection import Service, connect
from bulk_destination.connection_check import failed_check, said_of_success
from bulk_destination.errors import SyncError
from bulk_destination.loading.surroundings import Surroundings
from bulk_destination.protocol.messages import Message, classify
from bulk_destination.write import walk_of


class BulkDestination(Destination):
    """Loads streams into `service`. A connector is a subclass that names its service."""

    service: ClassVar[Service[Any]]

    def __init__(self, surroundings: Surroundings | None = None) -> None:
        self._surroundings = surroundings

    def check(
        self,
        logger: logging.Logger,  # noqa: ARG002  # the CDK's signature
        config: Mapping[str, Any],
    ) -> AirbyteConnectionStatus:
        """Whether the configuration is sound and the service answers; never raises."""
        failure = failed_check(self.service, config)
        if failure is None:
            said = said_of_success(self.service, config)
            return AirbyteConnectionStatus(status=Status.SUCCEEDED, message=said)
        return AirbyteConnectionStatus(status=Status.FAILED, message=failure)

    def write(
        self,
        config: Mapping[str, Any],
        configured_catalog: ConfiguredAirbyteCatalog,
        input_messages: Iterable[AirbyteMessage],
    ) -> Iterator[AirbyteMessage]:
        """Loads `input_messages` and yields the states that are safe, with their statistics.

        The CDK's state model has no `id`; where it matters (on Airbyte), use `run`.
        """
        catalog = ConfiguredAirbyteCatalogSerializer.dump(configured_catalog)
        try:
            connection = connect(self.service, config, catalog)
            walk = walk_of(
                *(connection, _read_messages, _line_of),
                *(self.service.program, self._surroundings),
            )
            for line in walk.run([message] for message in input_messages):
                yield AirbyteMessageSerializer.load(orjson.loads(line))
        except SyncError as error:
            raise AirbyteTracedException(
                message=str(error), failure_type=FailureType(error.failure_type), exception=error
            ) from None

    def run(self, args: list[str]) -> None:
        """The command line, as the program runs it; may end the process."""
        if sys.stdout is None:
            logging.raiseExceptions = False  # At the end the CDK's handler wants to flush it.
        command_line.run(self.service, args, self._surroundings)

    def run_cmd(self, parsed_args: argparse.Namespace) -> Iterator[AirbyteMessage]:
        """One command's messages, as the CDK's models."""
        for line in command_line.lines(self.service, parsed_args, self._surroundings):
            yield AirbyteMessageSerializer.load(orjson.loads(line))

    def parse_args(self, args: list[str]) -> argparse.Namespace:
        """The command line; without a command, help and exit code 2."""
        return command_line.parse_args(self.service, args)


def _read_messages(messages: Iterable[AirbyteMessage]) -> Iterator[Message]:
    return map(classify, map(AirbyteMessageSerializer.dump, messages))


def _line_of(message: AirbyteMessage) -> bytes:
    """The line of a message; a value that JSON does not know (a date) stands there as text."""
    return json.dumps(AirbyteMessageSerializer.dump(message), default=str).encode()
