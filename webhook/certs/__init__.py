"""Certificates without a human: a CA and a leaf in two Secrets, made, renewed, rolled and published.

names       what an installation calls its objects
lifetimes   how long certificates hold, and when they are replaced
state       what the two Secrets and the two webhook configurations hold now
plan        the one next step from there: pure, without I/O or clock; start reading here
steps       doing it: one write, refused if anybody has written in between
keeper      step after step, for as long as a server runs, by one replica at a time
trust       whether the API server trusts what this server serves, for its readiness
waiting     for files that are about to be mounted
client_names  whose client certificates are good enough
report      what is served and trusted, for people and programs
commands    ``git-token-webhook certs``

Nothing is remembered but in the Secrets, so that each step can be the last of a process: the next one goes on from
what it finds. Issuing itself is `webhook.certs.issue`.
"""
