"""git-token-webhook: deny Git tokens that cannot do their job when the Secret that holds them is written.

The packages, from the commands down to what all of them share. Imports point downwards; ``./dev lint`` checks this.

    cli/              the commands: parse arguments, call the packages below, set the exit code
    demo/             `demo`: the server and simulated providers on one machine
    console/          `console`: a page on a loopback address that shows and changes tokens
    explain/          `explain`: the verdict on one token with its evidence
    audit/            `check` and `audit`: the same verdicts for manifests and for the Secrets of a cluster
      watch/          `audit --watch`: the continuous audit, with reports, Events and metrics
    tokens/           `token`, `reseal`, `unseal` and `keys retire`: change stored tokens
    server/           `serve`: ports, TLS, health and reloads; `server.app` connects all parts of the server
    review/           one review, from Secret to decision: start with `reviewer`; `policy` decides, without I/O
    credentials/      which Secrets hold Git credentials, which tokens are in them, and which host each belongs to
    keyring/          the keys that sign attestations and seal tokens
    certs/            own certificates: issue, renew, publish, roll the CA
    cluster/          all access to the API server
    report/           a report and its formats: table, JSON, YAML, JUnit, SARIF
      page/           the HTML page
    pages/            templates and styles that the HTML report and the console share
    settings/         the configuration file
    admission/        AdmissionReview: from bytes to a request, and from a decision to bytes
    providers/        Git hosts: a package for each kind, behind the contract in `base`; nothing of Kubernetes
      github/ gitlab/ bitbucket/ bitbucket_server/ gitea/
      transport/      HTTPS to the providers: addresses, proxies, trust, redirects, rate limits
    simulator/        Git providers, imitated over HTTPS, for the demo and the tests; imports nothing of the rest

Modules that all packages share:

    subject           the Secret under review
    decision          allowed or denied
    argocd            how Argo CD reads its Secrets: numbers, flags and URLs
    names             every label, annotation and constant of Kubernetes, Argo CD and the platform
    caches            caches that are bounded in entries and bytes
    files             atomic writes
    proxy             the HTTP proxy that the environment names
    offload           work that takes too long for the event loop
    address           an address to listen on
    text              enumerations and dates for messages
    logs, metrics     log lines and Prometheus metrics, without secrets
    errors            errors that end in an exit code or an HTTP status

One request: `admission.handler` reads and decodes it. `review.reviewer` matches the Secret, extracts its tokens
(`credentials`), applies skip flags, asks the provider (`providers.inspector`), decides (`review.policy`), and writes
labels, annotations and the attestation. `admission.codec` encodes the decision.
"""

__version__ = "0.1.0"
