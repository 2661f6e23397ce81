"""The commands and options of a connector's program: Airbyte's three, and what is for people."""

import argparse
import sys
from dataclasses import dataclass
from typing import Final, NamedTuple

_CONFIG: Final = "the configuration, a JSON file"
_CATALOG: Final = "the configured catalog, a JSON file"
_EXIT_CODES: Final = """exit codes:
  0    done; of `check`, whatever it found
  1    failed: the last message on stdout says why (of `preview`, a line on stderr)
  2    the command line is wrong
  3    `preview` found records that would be rejected, or a sync that would fail
  130  stopped by Ctrl-C; a `write` that has begun ends in order, with 1"""


class Samples(NamedTuple):
    """What the examples of the help name: files of this project, and what starts a stand-in."""

    stand_in: str
    config: str
    catalog: str
    records: str


@dataclass(frozen=True, slots=True)
class Program:
    """A connector's program, as its help tells of it."""

    name: str
    version: str
    summary: str
    #: The service that it loads, as in a sentence.
    service: str
    samples: Samples
    #: Whether it has objects that a connection may map streams to.
    discovers: bool = False

    def parse(self, args: list[str]) -> argparse.Namespace:
        """The arguments as `command` and its options; without a command, help and exit code 2."""
        parser = self._parser()
        if not args:
            parser.print_help(sys.stderr)
            raise SystemExit(2)
        parsed = parser.parse_args(args)
        if parsed.command == "preview" and parsed.catalog is None and parsed.rows is None:
            parser.error("preview needs --catalog FILE, or --rows STREAM for plain rows")
        return parsed

    def _parser(self) -> argparse.ArgumentParser:
        typed = f".venv/bin/{self.name}"
        config = f"--config {self.samples.config}"
        both = f"{config} --catalog {self.samples.catalog}"
        spec, check = f"{typed} spec", f"{typed} check {config}"
        write = f"{typed} write {both} < {self.samples.records}"
        preview = f"{typed} preview {both} < {self.samples.records}"

        parser = argparse.ArgumentParser(
            prog=self.name,
            description=self.summary,
            epilog=self._epilog(spec, check, preview, write),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument("--version", action="version", version=f"{self.name} {self.version}")
        commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")

        def command(name: str, words: str, *examples: str) -> argparse.ArgumentParser:
            return commands.add_parser(
                name,
                help=words,
                description=f"{words[0].upper()}{words[1:]}.",
                epilog=self._epilog(*examples),
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )

        command("spec", "print the form of the configuration", spec)
        checks = command("check", "see whether the configuration works; write nothing", check)
        checks.add_argument("--config", required=True, metavar="FILE", help=_CONFIG)
        if self.discovers:
            discover = f"{typed} discover {config}"
            words = "print the objects that streams may be mapped to; ask nobody"
            discovers = command("discover", words, discover)
            discovers.add_argument("--config", required=True, metavar="FILE", help=_CONFIG)
        writes = command("write", f"load the messages on stdin into {self.service}", write)
        previews = command(
            *("preview", "show what the messages on stdin would become; send nothing"),
            *(preview, preview.replace(" <", " --json <")),
        )
        for each in (writes, previews):
            each.add_argument("--config", required=True, metavar="FILE", help=_CONFIG)
        writes.add_argument("--catalog", required=True, metavar="FILE", help=_CATALOG)
        writes.add_argument("--progress", action="store_true", help="show live counts on stderr")
        previews.add_argument(
            *("--catalog",), metavar="FILE", help=f"{_CATALOG}; --rows can do without"
        )
        previews.add_argument(
            *("--rows",),
            metavar="STREAM",
            help="stdin holds plain rows of this stream, as JSON lines or CSV",
        )
        previews.add_argument(
            *("--full",), action="store_true", help="show whole records beside what they become"
        )
        previews.add_argument("--json", action="store_true", help="print one JSON object")
        previews.add_argument(
            *("--records",),
            type=int,
            default=3,
            metavar="N",
            help="how many records, or kinds of them, to show (default: 3)",
        )
        self._add_studio(
            command(
                *("studio", "open a page that shows what comes of a mapping; send nothing"),
                *(f"{typed} studio {self.samples.records}", f"{typed} studio orders.csv"),
            )
        )
        return parser

    def _add_studio(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            *("files",),
            nargs="*",
            metavar="FILE",
            help="a sample: Airbyte messages, JSON lines or CSV; a catalog may come with it",
        )
        source = parser.add_argument_group("a sample from a source")
        source.add_argument("--source", metavar="COMMAND", help="the source's command")
        source.add_argument("--source-config", metavar="FILE", help="its configuration")
        source.add_argument(
            *("--stream",), action="append", default=[], metavar="NAME", help="may be repeated"
        )
        parser.add_argument(
            *("--port",), type=int, default=0, metavar="N", help="where to listen (default: any)"
        )
        parser.add_argument(
            *("--no-browser",), dest="browser", action="store_false", help="only print the address"
        )

    def _epilog(self, *examples: str) -> str:
        shown = "".join(f"  {example}\n" for example in examples)
        where = f"in the project's folder, while `{self.samples.stand_in}` runs"
        return f"examples, {where}:\n{shown}\n{_EXIT_CODES}"
