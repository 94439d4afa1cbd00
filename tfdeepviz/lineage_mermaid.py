"""A lineage as a Mermaid flowchart, which GitHub, GitLab, Jupyter and many editors draw."""

from __future__ import annotations

from tfdeepviz.lineage import Kind, Lineage, Node, State, in_short, summary

_KINDS: tuple[Kind, ...] = ("corpus", "dataset", "run", "bundle")
# Dark boxes with light text, which any page can show.
_FILLS: dict[Kind, str] = {"corpus": "#3f4a5a", "dataset": "#1c5a5e", "run": "#4b3b7c", "bundle": "#7d4016"}
_BORDERS: dict[State, str] = {
    "here": "stroke:#8c8c99",
    "changed": "stroke:#e08a00,stroke-dasharray:5 3",
    "gone": "stroke:#8c8c99,stroke-dasharray:5 3,fill:#55555e",
}
_START = "stroke:#f2b33d,stroke-width:3px"

_MAX_CHARACTERS = 80


def to_mermaid(lineage: Lineage) -> str:
    """Write a flowchart from what things are made of, on the left, to what was made of them.

    Parameters
    ----------
    lineage
        From `tfdeepviz.lineage.trace`.

    Returns
    -------
    str
        Mermaid text. Equal lineages give equal text.
    """
    names = {key: f"n{number}" for number, key in enumerate(lineage.nodes)}
    lines = ["flowchart LR"]
    for key, node in lineage.nodes.items():
        lines.append(f'    {names[key]}["{_label(node)}"]:::{node.kind}')
    for edge in lineage.edges:
        arrow = "-.->" if edge.role == "mappings" else "-->"
        lines.append(f'    {names[edge.source]} {arrow}|"{_escaped(edge.role)}"| {names[edge.target]}')
    lines += [f"    classDef {kind} fill:{_FILLS[kind]},color:#ffffff" for kind in _KINDS]
    for key, node in lineage.nodes.items():
        lines.append(f"    style {names[key]} {_BORDERS[node.state]}")
    lines.append(f"    style {names[lineage.start]} {_START}")
    return "\n".join(lines)


def _label(node: Node) -> str:
    texts = [f"{node.state}: {node.note}"] if node.note else []
    texts += summary(node)
    texts.append(", ".join(part for part in (node.digest and in_short(node.digest), node.code_version) if part))
    heading = f"<b>{_escaped(f'{node.kind} {node.label}')}</b>"
    return "<br>".join([heading, *(_escaped(text) for text in texts if text)])


def _escaped(text: str) -> str:
    """Write everything but letters, digits and harmless marks as an entity: no text can end its label."""
    if len(text) > _MAX_CHARACTERS:
        text = f"{text[: _MAX_CHARACTERS - 1]}…"
    return "".join(c if c.isalnum() or c in " .,:-_/+%()…" else f"#{ord(c)};" for c in text)
