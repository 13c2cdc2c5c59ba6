"""Git providers, simulated faithfully enough to decide about a token, over real HTTPS on loopback.

For ``demo``, for tests and for Tilt. It shares no code with the rest of the product: it has its own idea of tokens,
scopes and permissions, so that the product and its simulator can't be wrong in the same way by construction.

Import direction, each line only what stands above it::

    exchange.py        a call and its reply; how a reply is delivered (late, cut, never)
    tokenvalues.py     token strings, made at run time from a seed
    provider.py        what every simulated host has: a model, its record of changes, ``Site.answer(call)``
    github/            GitHub: the model, who is calling, may they, what they get
    gitlab/            GitLab, in the same way
    bitbucket/         Bitbucket Cloud, in the same way
    bitbucket_server/  Bitbucket Server and Data Center, in the same way
    gitea/             Gitea and Forgejo, in the same way
    world.py           all hosts together; YAML in and out
    scenes.py          ``example_world(now)``
    faults.py          what goes wrong, where and how often
    journal.py         every request that was made, without a token
    server.py          ``async with Simulator(world, ssl_context=…) as sim``
    console.py         the control API of ``python -m webhook.simulator``; ``control.py`` is its client
    certificate.py     what it serves in a cluster; ``samples.py``: Secrets to try there

A further provider is one package with a model and a site, a member in ``world.AnyHost`` and a line in ``server.SITES``.
"""

from webhook.simulator.control import AsyncControl, Control
from webhook.simulator.faults import Fault
from webhook.simulator.journal import Journal, RequestRecord
from webhook.simulator.scenes import example_world
from webhook.simulator.server import RunningHost, Simulator
from webhook.simulator.world import World

__all__ = [
    "AsyncControl",
    "Control",
    "Fault",
    "Journal",
    "RequestRecord",
    "RunningHost",
    "Simulator",
    "World",
    "example_world",
]
