"""Git providers: what each knows of its own API, behind one contract (`base`).

A new provider is a module or package here with a class that has `base.Provider`'s methods, and one line in each of
the two tables below. How it reaches its API (`http`) and what is sent where is not its matter.
"""

from __future__ import annotations

from collections.abc import Mapping

from webhook.hosts import Kind
from webhook.providers.base import Provider
from webhook.providers.github import GitHub
from webhook.providers.github.vocabulary import VOCABULARY as GITHUB_VOCABULARY
from webhook.providers.vocabulary import Vocabulary

PROVIDERS: Mapping[Kind, Provider] = {
    Kind.GITHUB: GitHub(),
}

VOCABULARIES: Mapping[Kind, Vocabulary] = {
    Kind.GITHUB: GITHUB_VOCABULARY,
}
