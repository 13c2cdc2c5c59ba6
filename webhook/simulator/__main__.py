"""The command that serves a simulated world.

::

    python -m webhook.simulator --tls-cert cert.pem --tls-key key.pem --port github.com=18443

Prints one JSON line when it is ready (``{"control": "http://…", "hosts": {"github.com": {"api_url": …}, …}}``), and
serves until SIGINT or SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import ssl
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

import yaml
from pydantic import ValidationError

from webhook.simulator.console import Console
from webhook.simulator.scenes import example_world
from webhook.simulator.server import Simulator
from webhook.simulator.world import World


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m webhook.simulator", description="Simulated Git providers over HTTPS."
    )
    parser.add_argument("--world", metavar="FILE", help="the world to serve, as YAML (default: the example world)")
    parser.add_argument(
        "--listen", default="127.0.0.1", metavar="ADDRESS", help="for the providers (default: %(default)s)"
    )
    parser.add_argument("--url-host", default="localhost", metavar="NAME", help="host name in the printed URLs")
    parser.add_argument("--tls-cert", required=True, metavar="FILE", help="certificate chain, PEM")
    parser.add_argument("--tls-key", required=True, metavar="FILE", help="its private key, PEM")
    parser.add_argument(
        "--port", action="append", default=[], type=named_port, metavar="NAME=PORT", help="fixed port of a host"
    )
    parser.add_argument("--control-port", type=int, default=0, metavar="PORT", help="of the control API on 127.0.0.1")
    return parser


def named_port(text: str) -> tuple[str, int]:
    """``github.com=18443``."""
    name, equals, port = text.rpartition("=")
    if not equals or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"expected NAME=PORT, not {text!r}")
    return name, int(port)


async def serve(world: World, options: argparse.Namespace) -> None:
    """Serve until a signal comes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.tls_cert, options.tls_key)
    finished = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, finished.set)
    simulator = Simulator(
        world,
        ssl_context=context,
        listen=options.listen,
        ports=dict(options.port),
        url_host=options.url_host,
    )
    async with simulator, Console(simulator, port=options.control_port) as console:
        hosts = {name: asdict(host) for name, host in simulator.hosts.items()}
        print(json.dumps({"control": console.url, "hosts": hosts}), flush=True)
        await finished.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 after SIGINT or SIGTERM, 2 if the arguments or the files that they name are invalid."""
    options = parser().parse_args(arguments)
    try:
        world = World.load(options.world) if options.world else example_world(datetime.now(UTC))
        asyncio.run(serve(world, options))
    except yaml.YAMLError:  # its text would repeat a piece of the file, which may hold keys
        print(f"simulator: {options.world} is no YAML", file=sys.stderr)
        return 2
    except (OSError, ValidationError, ValueError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
