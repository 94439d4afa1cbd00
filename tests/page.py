"""What every page that we write must be: whole, alone in the world, and usable without seeing it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

_VOID = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """Elements of a page; fails where tags do not match."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(self.source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names))
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if text := " ".join(data.split()):
            self.texts.append(text)

    def all(self, tag: str, **attributes: str) -> list[dict[str, str]]:
        return [
            found
            for name, found in self.elements
            if name == tag and all(value in found.get(key, "").split() for key, value in attributes.items())
        ]

    def check_loads_nothing(self) -> None:
        assert self.source.startswith("<!doctype html>")
        assert self.all("html") == [{"lang": "en"}]
        for tag in ("script", "link", "iframe", "object"):
            assert self.all(tag) == []
        assert "url(" not in self.source
        assert "@import" not in self.source
        assert "//" not in re.sub(r"data:[^\"]*", "", self.source)
        for _, attributes in self.elements:
            assert attributes.get("src", "data:").startswith("data:")
            assert attributes.get("href", "#").startswith("#")
            assert not any(name.startswith("on") for name in attributes)
        policy = self.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]
        assert policy.startswith("default-src 'none';")

    def check_can_be_used_without_seeing(self) -> None:
        ids = [attributes["id"] for _, attributes in self.elements if "id" in attributes]
        assert len(ids) == len(set(ids))
        for _, attributes in self.elements:
            if "href" in attributes:
                assert attributes["href"][1:] in ids
            if "aria-labelledby" in attributes:
                assert attributes["aria-labelledby"] in ids
        assert all(image["alt"] for image in self.all("img"))
        assert all(svg.get("aria-hidden") == "true" or svg["aria-label"] for svg in self.all("svg"))
        assert all(player["aria-label"] for player in self.all("audio"))
        levels = [int(tag[1]) for tag, _ in self.elements if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))
