"""The console: a page on a loopback address that shows and changes tokens with the user's own permissions.

    server      listen, print or open the one-time link, end after the idle timeout or with Ctrl-C
    security    the one-time link, sessions, Host and Origin, CSRF tokens and response headers
    app         the routes
    pages       the pages for reading; `rendering` has the templates
    actions     changes: add or replace a token, delete it, mute notifications
    authorizations  a token by GitHub's device flow
    overview    the state of all entries, kept up to date by watches
      entries     one row for each token entry, from labels and annotations, reports and checks
      dependents  the Argo CD Applications that sync with a credential
      checks      *Check now*, with the code of the audit
    selection   filter, search and sort
    permissions what the user may do, by SelfSubjectAccessReview

No token is ever part of a page: forms send tokens, and no response contains one.
"""
