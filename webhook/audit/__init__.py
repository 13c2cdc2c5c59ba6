"""The judgement of the admission webhook on what is there already: manifests (`check`) and a cluster (`audit`).

commands    what people type, and how it ends
checking    the story of a check          auditing   the story of an audit
  manifests   files, line by line           listing    a cluster's Secrets, page by page
  encrypted   what nobody can look into     resuming   what an interrupted audit has found
                                            syncing    which Applications would fail to sync
both judge by `judging`, ask by `asking`, and make `rows` of what they learn
"""
