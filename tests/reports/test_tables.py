from __future__ import annotations

from pathlib import Path

import pytest

from tfdeepviz.reports.tables import Table, clean, markdown

TABLE = Table(("run", "tracks", "error"), [("a|b <i>\n\x1b[31m", 1_234, 0.123456789123), ("c", None, "0.5 [0.4, 0.6]")])


def test_text_is_aligned_and_gives_a_terminal_nothing_to_obey() -> None:
    assert TABLE.text().splitlines() == [
        "run            tracks           error",
        "a|b <i> ?[31m   1,234          0.1235",
        "c                      0.5 [0.4, 0.6]",
    ]


def test_markdown_is_a_table_whatever_the_cells_hold() -> None:
    head, rule, first, second = TABLE.markdown().splitlines()
    assert [cell.strip() for cell in head.split("|")[1:-1]] == ["run", "tracks", "error"]
    assert [(cell.strip()[0], cell.strip()[-1]) for cell in rule.split("|")[1:-1]] == [
        ("-", "-"),
        ("-", ":"),
        ("-", ":"),
    ]
    assert first.startswith("| a\\|b &lt;i&gt; ?\\[31m |")
    assert second.endswith("| 0.5 \\[0.4, 0.6\\] |")
    assert len({len(line) for line in (head, rule, first, second)}) == 1


def test_csv_has_the_numbers_as_they_are(tmp_path: Path) -> None:
    TABLE.write_csv(tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_bytes() == (
        b'run,tracks,error\r\n"a|b <i>\n\x1b[31m",1234,0.123456789\r\nc,,"0.5 [0.4, 0.6]"\r\n'
    )
    Table(("run",), [("half \ud800",)]).write_csv(tmp_path / "half.csv")
    assert b"half \\ud800" in (tmp_path / "half.csv").read_bytes()


def test_texts_of_others_stay_on_one_line_and_short() -> None:
    assert clean("a\n\tb\x07\u202ec\ud800") == "a b??c?"
    assert clean("x" * 50, 10) == "xxxxxxx..."


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a_b *c* `d` $e$ #f", r"a\_b \*c\* \`d\` \$e\$ \#f"),
        ("- item", "&#45; item"),
        ("1. item", "1&#46; item"),
        ("http://a.org www.a.org me@a.org", "http&#58;//a.org www&#46;a.org me&#64;a.org"),
        ("<b>&", "&lt;b&gt;&amp;"),
    ],
)
def test_texts_of_others_are_no_markdown(text: str, written: str) -> None:
    assert markdown(text) == written
