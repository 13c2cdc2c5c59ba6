"""The key ring: a directory of key files, with which attestations are signed and tokens sealed.

key       one key: how it is written, and what is derived from it
ring      all of them: each opens and verifies, one seals and signs
stored    the same as a Secret of the cluster, which servers mount
files     the directory, what may be wrong with it, and reading it again
commands  ``git-token-webhook keys``
"""
