"""Every simulated provider speaks real TLS."""

from tests.support.real_tls import authority as authority  # fixtures, which pytest finds here
from tests.support.real_tls import ca_file as ca_file
from tests.support.real_tls import server_context as server_context
