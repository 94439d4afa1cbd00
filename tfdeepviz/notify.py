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
from logging.handlers import BufferingHandler
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

from tfdeepviz.errors import InputError

if TYPE_CHECKING:
    from apprise import Apprise

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
    schemes = [re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", url) for url in urls]
    names = [f"notification URL {i} ({scheme[0] if scheme else ''}***)" for i, scheme in enumerate(schemes, 1)]
    senders = {name: _sender(url, name) for name, url in zip(names, urls, strict=True)}
    lines: list[str] = []
    started = time.monotonic()

    def tell(ending: str, *details: str) -> None:
        elapsed = timedelta(seconds=round(time.monotonic() - started))
        where = f"After {elapsed} (hours:minutes:seconds) on {platform.node()}, in {Path.cwd()}."
        for name, sender in senders.items():
            _send(sender, name, f"tfdeepviz: {what} {ending}", "\n".join([where, "", *details, *lines]))

    try:
        yield lines
    except KeyboardInterrupt:
        tell("was interrupted")
        raise
    except BaseException as error:
        tell("failed", shorten(f"{type(error).__name__}: {error}", _MAX_ERROR_CHARACTERS, placeholder="..."))
        raise
    tell("is done")


def _sender(url: str, name: str) -> Apprise:
    try:
        from apprise import Apprise, AppriseAsset
    except ImportError as error:
        raise InputError(f"notifications need Apprise ({error}); pip install 'tfdeepviz[notify]'") from error
    sender = Apprise(asset=AppriseAsset(app_id="tfdeepviz", async_mode=False))
    with _captured_log() as complaints:
        is_usable = sender.add([url])
    # Apprise silently drops recipients that it cannot parse, so the message would reach nobody.
    if not is_usable or complaints:
        raise InputError(
            f"{name}: Apprise rejects it; https://appriseit.com/services/ shows the form for each service, "
            "and special characters in passwords have to be percent-encoded"
        )
    return sender


def _send(sender: Apprise, name: str, title: str, body: str) -> None:
    try:
        with _captured_log():
            reason = "" if sender.notify(body, title, body_format="text") else "not sent"
    # Neither a failed message nor Ctrl-C during sending may hide the outcome of the job.
    except (Exception, KeyboardInterrupt) as error:
        reason = f"not sent, {type(error).__name__}"
    if reason:
        print(f"tfdeepviz: warning: {name}: {reason}; `apprise -vv --body test URL` tells why", file=sys.stderr)


@contextmanager
def _captured_log() -> Iterator[list[logging.LogRecord]]:
    """Keep Apprise's log off all handlers, because it may quote parts of a URL; yields its warnings and errors."""
    logger, capture = logging.getLogger("apprise"), BufferingHandler(1_000)
    before = (logger.handlers, logger.propagate, logger.level)
    logger.handlers, logger.propagate = [capture], False
    logger.setLevel(logging.WARNING)
    try:
        yield capture.buffer
    finally:
        logger.handlers, logger.propagate = before[:2]
        logger.setLevel(before[2])
