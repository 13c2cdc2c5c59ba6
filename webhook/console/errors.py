"""The error of a page."""

from __future__ import annotations


class PageError(Exception):
    """A request cannot be answered.

    Attributes:
        status: the HTTP status code.
        title: the heading of the page.
        advice: what is wrong and what to do, as whole sentences.
    """

    def __init__(self, status: int, title: str, advice: str) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.advice = advice
