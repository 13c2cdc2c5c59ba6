"""Tests against a real kube-apiserver and etcd, all on loopback: kubectl in, denial out.

- `binaries` finds the Kubernetes binaries, or builds them with Go from `go.mod` beside it,
- `control_plane` starts and stops etcd and kube-apiserver, and speaks to them,
- `conftest` hands one running control plane to every test of this folder.
"""
