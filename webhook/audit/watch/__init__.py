"""The audit that never ends (`audit --watch`): one replica follows a cluster's Secrets, the others wait to take over.

running     the process: its port, its Lease, its files          metrics   what Prometheus reads of it
watching    the story of one that leads: start reading here      troubles  what goes wrong, said once
  following   which Secrets there are, and when one changes
  schedule    when each is looked at again: pure
  known       what is known of one Secret, and what of that is news: pure
  reports     that as PolicyReports or OpenReports, whichever the cluster has
    documents   their wording
  telling     news as Events on the Secret
It asks, judges and makes rows with the same code as the audit that ends.
"""
