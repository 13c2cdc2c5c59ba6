"""git-token-webhook: refuse Git tokens that can't do their job, at the moment a Secret that holds them is written.

How one write is judged, and where to read about it, from the edge inwards:

    cli → app                  the commands; the composition root, the only module that knows all others
      command_options          what commands on a cluster have in common; `completion` is what the shell offers
    serving, listener, health  the two ports, from start to graceful stop; what readiness means
      idle                     the connections that make room for others
    tls, reload, certificates  what they serve, and what happens when a file changes
      certs/                   own certificates in a cluster: made, renewed, rolled and published; by whom: lease
    admission/                 Kubernetes' wire format: AdmissionReview in, response out; nothing of Git
    review                     the story of one review, from Secret to decision: start reading here
      matching                 which Secrets hold Git credentials, and in which role
      credentials              the tokens inside one, and where each of them goes
        argocd                 how Argo CD reads its Secrets: numbers, flags, URLs
        other_services         hosts that answer no question about their tokens
        placeholders           values that another tool has yet to fill in
      masks                    values that Argo CD masks before a dry run
      exemptions, cluster      who may skip the check; the API server that is asked about that
      applications             repositories that Argo CD syncs, perhaps with the credential at hand
      inspection               one question to a provider: cached, asked once, in time
      policy                   findings and settings to a verdict: pure, without I/O or clock
      wording                  the sentences that people read
      mutation                 the labels and annotations that say what was found
      attestation              the same, signed, so that the other call need not ask again
      sealing                  users' tokens, so that they only open where they belong
        opening, sealed_writes a Secret in which they are open; what a write of them must look like
        secret_search          whether another text of it shows one
      keyring/                 the keys for both, in a directory that may change
    providers/                 Git hosts, nothing of Kubernetes: a file or package each, a line in a registry

The words that all of them share: `subject` (what is reviewed), `findings` (what a provider said), `requirements`
(what a role needs), `decision` (how it ends), `hosts`, `known_hosts` and `git_url` (where a token may be sent),
`token_shapes` (who made one), `token_search` (what else could be one), `settings` with `settings_errors` and
`settings_schema`. Below them all: `errors`, `logs`, `metrics`, `caches`, `kubeconfig`, by which the API server is
reached, and `api_objects`, by which its objects are read and changed.

People's own commands: for sealed tokens `sealed_commands`, with `resealing` and `unsealing`; to list and replace tokens
`token_commands`, with `token_changes` and `token_writes`; both read and change by `stored_secrets`.

The same judgement on manifests (`check`) and on what a cluster holds (`audit`) is in `audit/`; it begins in its
`commands`, and judges by `Reviewer.judge`. `audit/continuous/` is the audit that never ends.

What was found in many Secrets at once is a `report/`: `model` says what it holds, `formats` writes it as a table, JSON,
YAML, JUnit, SARIF or HTML.

Beside it: `simulator` imitates providers over HTTPS and imports nothing of the rest; `demo` shows the whole.
No import leads back to where it came from, and ``./dev lint`` holds the borders that matter most.
"""

__version__ = "0.1.0"
