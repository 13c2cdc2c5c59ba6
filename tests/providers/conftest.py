"""Every simulated provider speaks real TLS."""

from ..real_tls import authority as authority  # fixtures, which pytest finds here
from ..real_tls import ca_file as ca_file
from ..real_tls import server_context as server_context
