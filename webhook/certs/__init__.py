"""Own certificates: a CA and a serving certificate in two Secrets, issued, renewed, rotated and published.

Start with `plan`. All state is in the cluster, so a process can end after any step, and the next one continues.
"""
