"""The continuous audit (`audit --watch`), in which one replica leads and the others stand by.

process       the process: its port, its Lease, its files       metrics     what Prometheus scrapes
controller    the work of the leader: start reading here        conditions  failures, logged once
  schedule      when each Secret is checked again: pure
  state         the state of one Secret, and its news: pure
  reports       the state as PolicyReports or OpenReports
    report_objects  their format
  events        news as Events on the Secret
It checks Secrets and creates rows with the same code as a single audit.
"""
