"""An address to listen on."""

from __future__ import annotations

from dataclasses import dataclass

from webhook.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. Port 0 is any free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Parse ``localhost:9443``, ``127.0.0.1:9443``, or ``[::]:9443`` and ``:9443`` for every interface.

        Raises:
            ConfigurationError: it is none of them.
        """
        host, separator, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        well_formed = separator and port.isascii() and port.isdigit() and (bracketed or ":" not in host)
        if not well_formed or int(port) > 65535:
            raise ConfigurationError(f"{text!r} is not an address to listen on; write HOST:PORT, such as [::]:9443")
        return cls(host[1:-1] if bracketed else host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
