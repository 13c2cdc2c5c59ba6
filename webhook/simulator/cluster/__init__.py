"""A Kubernetes API server in memory, over HTTP: for the demo of the console, and for tests.

``store``    the objects, with resourceVersions, conflicts and watches
``access``   users and what they may do
``server``   the HTTP API: get, list in pages, watch, create, replace, patch, delete, dry runs, reviews

It knows no schema: any resource of any API group can be stored. Admission is a function that the caller passes.
"""

from webhook.simulator.cluster.access import ADMIN as ADMIN
from webhook.simulator.cluster.access import Grant as Grant
from webhook.simulator.cluster.access import User as User
from webhook.simulator.cluster.server import ApiServer as ApiServer
from webhook.simulator.cluster.store import Document as Document
from webhook.simulator.cluster.store import Rejected as Rejected
from webhook.simulator.cluster.store import Store as Store
