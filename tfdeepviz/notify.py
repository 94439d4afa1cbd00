"""Notify the user when a long job ends: by e-mail, Slack or any other service that Apprise supports."""

from __future__ import annotations

import logging
import platform
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

from tfdeepviz.errors import InputError

if TYPE_CHECKING:
    from apprise import NotifyBase

_MAX_ERROR_CHARACTERS = 500


@contextmanager
def notifying(urls: Sequence[str], what: str) -> Iterator[list[str]]:
    """Notify `urls` when the block ends, whether it succeeds or fails.

    If a notification cannot be sent, this prints a warning to standard error; the block's result or error stands.
    Warnings and errors show only the number and the scheme of a URL, because the rest may be secret.

    Parameters
    ----------
    urls
        Apprise service URLs (https://appriseit.com/services/), such as
        `mailtos://USER:PASSWORD@example.org?to=ME@example.org`. May be empty.
    what
        Description of the job, such as `train ae-shared`.

    Yields
    ------
    list of str
        Lines of the message; the block may append to it.

    Raises
    ------
    InputError
        Before the block starts, if Apprise is not installed or cannot use one of the URLs.
    """
    names = [f"notification URL {number} ({_scheme(url)})" for number, url in enumerate(urls, 1)]
    services = [(_service(url, name), name) for url, name in zip(urls, names, strict=True)]
    lines: list[str] = []
    started = time.monotonic()

    def tell(ending: str, *details: str) -> None:
        elapsed = timedelta(seconds=round(time.monotonic() - started))
        where = f"After {elapsed} (hours:minutes:seconds) on {platform.node()}, in {Path.cwd()}."
        for service, name in services:
            _send(service, name, f"tfdeepviz: {what} {ending}", "\n".join([where, "", *details, *lines]))

    try:
        yield lines
    except KeyboardInterrupt:
        tell("was interrupted")
        raise
    except BaseException as error:
        tell("failed", shorten(f"{type(error).__name__}: {error}", _MAX_ERROR_CHARACTERS, placeholder="..."))
        raise
    tell("is done")


def _scheme(url: str) -> str:
    scheme, separator, _ = url.partition("://")
    return f"{scheme}://***" if separator and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme) else "***"


def _service(url: str, name: str) -> NotifyBase:
    try:
        from apprise import Apprise, AppriseAsset
    except ImportError as error:
        raise InputError(f"notifications need Apprise ({error}); pip install 'tfdeepviz[notify]'") from error
    with _captured_log() as complaints:
        service = Apprise.instantiate(url, asset=AppriseAsset(app_id="tfdeepviz", async_mode=False))
    # Apprise silently drops recipients that it cannot parse, so the message would reach nobody.
    if service is None or complaints:
        raise InputError(
            f"{name}: Apprise rejects it; https://appriseit.com/services/ shows the form for each service, "
            "and special characters in passwords have to be percent-encoded"
        )
    return service


def _send(service: NotifyBase, name: str, title: str, body: str) -> None:
    from apprise import Apprise, NotifyFormat

    sender = Apprise(asset=service.asset)
    sender.add(service)
    try:
        with _captured_log():
            reason = "" if sender.notify(body, title, body_format=NotifyFormat.TEXT) else "not sent"
    # Neither a failed message nor Ctrl-C during sending may hide the outcome of the job.
    except (Exception, KeyboardInterrupt) as error:
        reason = f"not sent, {type(error).__name__}"
    if reason:
        print(f"tfdeepviz: warning: {name}: {reason}; `apprise -vv --body test URL` tells why", file=sys.stderr)


@contextmanager
def _captured_log() -> Iterator[list[str]]:
    """Keep Apprise's log off all handlers, because it may quote parts of a URL; yields its warnings and errors."""
    logger = logging.getLogger("apprise")
    messages: list[str] = []

    class Capture(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    before = (logger.handlers, logger.propagate, logger.level)
    logger.handlers, logger.propagate = [Capture(logging.WARNING)], False
    logger.setLevel(logging.WARNING)
    try:
        yield messages
    finally:
        logger.handlers, logger.propagate = before[:2]
        logger.setLevel(before[2])
