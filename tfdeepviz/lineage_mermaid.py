"""A lineage as a Mermaid flowchart, which GitHub, GitLab, Jupyter and many editors draw."""

from __future__ import annotations

from tfdeepviz.lineage import Lineage, Node, State

# Dark boxes with light text, which any page can show.
_FILLS = {"corpus": "#3f4a5a", "dataset": "#1c5a5e", "run": "#4b3b7c", "bundle": "#7d4016"}
_OTHER_FILL = "#44444c"
_BORDERS: dict[State, str] = {
    "here": "stroke:#8c8c99",
    "changed": "stroke:#e08a00,stroke-dasharray:5 3",
    "gone": "stroke:#8c8c99,stroke-dasharray:5 3,fill:#55555e",
}
_START = "stroke:#f2b33d,stroke-width:3px"

_MAX_CHARACTERS = 80


def to_mermaid(lineage: Lineage) -> str:
    """Write a flowchart from what things are made from, on the left, to what was made from them.

    Equal lineages give equal text.
    """
    names = {key: f"n{number}" for number, key in enumerate(lineage.nodes)}
    lines = ["flowchart LR"]
    for key, node in lineage.nodes.items():
        style = f"fill:{_FILLS.get(node.record.kind, _OTHER_FILL)},color:#ffffff,{_BORDERS[node.state]}"
        lines.append(f'    {names[key]}["{_label(node)}"]')
        lines.append(f"    style {names[key]} {style}")
    for edge in lineage.edges:
        arrow = "-.->" if edge.role == "mappings" else "-->"
        lines.append(f'    {names[edge.source]} {arrow}|"{_escaped(edge.role)}"| {names[edge.target]}')
    return "\n".join([*lines, f"    style {names[lineage.start]} {_START}"])


def _label(node: Node) -> str:
    texts = [f"{node.state}: {node.note}" if node.note else "", *node.facts(), node.identity]
    return "<br>".join([f"<b>{_escaped(node.heading)}</b>", *(_escaped(text) for text in texts if text)])


def _escaped(text: str) -> str:
    """Write everything but letters, digits and harmless marks as an entity: no text can end its label."""
    if len(text) > _MAX_CHARACTERS:
        text = f"{text[: _MAX_CHARACTERS - 1]}…"
    return "".join(c if c.isalnum() or c in " .,:-_/+%()…" else f"#{ord(c)};" for c in text)
