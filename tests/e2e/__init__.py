"""End-to-end tests: the image, installed as the README says, on a cluster with a real kubelet.

They run on whatever cluster `KUBECONFIG` names. `./dev e2e` makes one first: `--node` the single node of `node/` (Linux
and root, no Docker), `--kind` one of kind's. On any other the image must be there already, or `E2E_BUILD_IMAGE` and
`E2E_LOAD_IMAGE` say how it gets there; see `__main__`.
"""

from webhook import __version__

IMAGE = f"git-token-webhook:{__version__}"
SIMULATOR_IMAGE = f"git-token-webhook-simulator:{__version__}"
"""The image as the manifests name it, so that the commands of the README work as they stand."""
