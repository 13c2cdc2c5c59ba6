"""Kubernetes' wire format: AdmissionReview in, decision out. Nothing here knows what Git is.

    handler    HTTP: content type, size, deadline; errors become statuses
    codec      bytes to AdmissionRequest, Decision to bytes
    models     the parts of admission.k8s.io/v1 that we read and write
    structure  how deep and large a body may be, and which keys may not stand twice
    jsonpatch  wanted labels and annotations to RFC 6902 operations

There are two endings. A review that can't be read is an HTTP error, whereupon the API server's failurePolicy rules;
everything else is a decision, also a late one.
"""
