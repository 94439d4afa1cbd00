from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Iterator
from email.message import Message

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler

from tfdeepviz.notify import notifying

# Apprise 2.3 looks for it on Python 3.11.


class Inbox(MessageHandler):
    def __init__(self) -> None:
        super().__init__()
        self.messages: list[Message] = []

    def handle_message(self, message: Message) -> None:
        self.messages.append(message)

    def only(self) -> tuple[str, str]:
        """Subject and text of the only message."""
        (message,) = self.messages
        payload = message.get_payload(decode=True)
        assert isinstance(payload, bytes)
        return str(message["Subject"]), payload.decode()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def mail_url(port: int) -> str:
    return f"mailto://127.0.0.1:{port}/?from=tfdeepviz@example.org&to=me@example.org&mode=insecure"


@pytest.fixture
def server() -> Iterator[tuple[Inbox, str]]:
    inbox, port = Inbox(), free_port()
    controller = Controller(inbox, hostname="127.0.0.1", port=port)
    controller.start()
    yield inbox, mail_url(port)
    controller.stop()


def test_success_is_told_with_the_lines_of_the_block(server: tuple[Inbox, str]) -> None:
    inbox, url = server
    with notifying([url], what="train ae-shared") as lines:
        lines.append("validation: MSE 0.004 < PCA's – gut")
        assert inbox.messages == []
    subject, text = inbox.only()
    assert subject == "tfdeepviz: train ae-shared is done"
    assert "validation: MSE 0.004 < PCA's – gut" in text
    assert text.startswith("After 0:00:00 ")
    assert socket.gethostname() in text
    assert inbox.messages[0]["To"] == "me@example.org"


def test_failure_is_told_in_one_line_and_raised(server: tuple[Inbox, str]) -> None:
    inbox, url = server
    error = OSError("data/ds: the disk\nis full")
    with pytest.raises(OSError, match="data/ds") as raised, notifying([url], what="prepare") as lines:
        lines.append("3 of 5 done")
        raise error
    assert raised.value is error
    subject, text = inbox.only()
    assert subject == "tfdeepviz: prepare failed"
    assert text.splitlines()[2:4] == ["OSError: data/ds: the disk is full", "3 of 5 done"]


def test_interruption_is_told_and_raised(server: tuple[Inbox, str]) -> None:
    inbox, url = server
    with pytest.raises(KeyboardInterrupt), notifying([url], what="tune"):
        raise KeyboardInterrupt
    assert inbox.only()[0] == "tfdeepviz: tune was interrupted"


def test_every_service_is_tried_and_a_dead_one_is_a_warning(
    server: tuple[Inbox, str], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    inbox, url = server
    dead = f"mailto://me:s3cret@127.0.0.1:{free_port()}/?from=a@example.org&to=b@example.org&mode=insecure"
    with notifying([dead, url], what="train"):
        done = True
    assert done
    assert inbox.only()[0] == "tfdeepviz: train is done"
    with pytest.raises(RuntimeError, match="its own"), notifying([dead], what="train"):
        raise RuntimeError("its own")
    printed = capsys.readouterr()
    assert printed.err.count("warning: notification URL 1 (mailto://***): not sent;") == 2
    assert "s3cret" not in printed.err + printed.out + caplog.text
    assert "example" not in printed.err + printed.out + caplog.text


def test_an_error_while_sending_does_not_hide_the_result(
    server: tuple[Inbox, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr("apprise.Apprise.notify", interrupted)
    with pytest.raises(RuntimeError, match="its own"), notifying([server[1]], what="train"):
        raise RuntimeError("its own")
    assert "not sent, KeyboardInterrupt" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mailto://me:s3cret@mail.invalid:25/?to=nobody", "mailto://***"),
        ("mailto://mail.invalid/?from=a@example.org&to=s3cret", "mailto://***"),
        ("mailto://me:pa@s3cret/x@mail.invalid?to=nobody", "mailto://***"),
        ("mailto://me:pa@s3cret?x@mail.invalid&to=nobody", "mailto://***"),
        ("mailto://[::1]/s3cret", "mailto://***"),
        ("mailto://:s3cret@mail.invalid", "mailto://***"),
        ("slack://s3cret", "slack://***"),
        ("tgram://s3cret", "tgram://***"),
        ("nonsense://user:s3cret@mail.invalid", "nonsense://***"),
        ("s3cret@example.org", "***"),
        ("", "***"),
    ],
)
def test_a_bad_url_is_refused_before_the_work_and_without_its_secrets(
    url: str, shown: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    good = mail_url(9)
    with pytest.raises(ValueError, match="notification URL 2") as raised, notifying([good, url], what="x"):
        pytest.fail("the work began")
    assert f"({shown}):" in str(raised.value)
    assert "s3cret" not in str(raised.value) + caplog.text + "".join(capsys.readouterr())


def test_a_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ValueError, match=r"pip install 'tfdeepviz\[notify\]'"), notifying([mail_url(9)], what="x"):
        pytest.fail("the work began")
    with notifying([], what="needs no package") as lines:
        lines.append("done")
    assert lines == ["done"]


def test_the_log_of_apprise_is_left_as_it_was(server: tuple[Inbox, str]) -> None:
    logger = logging.getLogger("apprise")
    before = (list(logger.handlers), logger.propagate, logger.level)
    with notifying([server[1]], what="train"):
        pass
    assert (list(logger.handlers), logger.propagate, logger.level) == before
