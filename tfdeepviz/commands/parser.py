"""The parser of the command line, as `commands.toml` declares it."""

from __future__ import annotations

import argparse
import json
import math
import os
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from tfdeepviz import __version__
from tfdeepviz.errors import InputError

_HERE = Path(__file__).parent

#: Options that take several values of this form in a row, and may be repeated.
_PAIRS = ("--set", "--parameters")


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse a command line.

    The result also holds `command`, as MODULE:FUNCTION; `options`, the options by the names of their values; and
    `pipeline_options`, those of `prepare --runner` that are not ours.

    Raises
    ------
    InputError
        If an argument is unknown, missing or impossible.
    """
    args, rest = _parser().parse_known_args(_spread(arguments))
    for name, value in vars(args).items():
        if isinstance(value, list):
            setattr(args, name, tuple(value))
    args.pipeline_options = rest
    if rest and getattr(args, "runner", None) is None:
        raise InputError(f"unrecognized arguments: {' '.join(rest)}; see {args.prog} --help")
    return args


def _spread(arguments: list[str]) -> list[str]:
    """Repeat the option before each further NAME=VALUE, which argparse would take for a positional argument."""
    spread: list[str] = []
    option = None
    for argument in arguments:
        if argument.startswith("-"):
            name = argument.partition("=")[0]
            option = name if name in _PAIRS else None
        elif option is not None and "=" in argument and spread[-1] != option:
            spread.append(option)
        spread.append(argument)
    return spread


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message.removeprefix('argument ')}; see {self.prog} --help")


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Adds defaults to the help, except None, switches and empty lists."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if isinstance(action.default, list) and action.default:
            return f"{action.help} (default: {' '.join(map(str, action.default))})"
        says_nothing = action.default is None or action.default is False or action.default == []
        return action.help if says_nothing else super()._get_help_string(action)


def _parser() -> argparse.ArgumentParser:
    declared = tomllib.loads((_HERE / "commands.toml").read_text(encoding="utf-8"))
    program, shared = declared.pop("program"), declared.pop("shared")
    parser = _Parser(prog="tfdeepviz", formatter_class=argparse.RawDescriptionHelpFormatter, **program)
    parser.add_argument("--version", action="version", version=f"tfdeepviz {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    names = sorted(path.stem for path in (_HERE.parent / "models" / "presets").glob("*.json"))
    declared["training"]["train"]["preset"]["help"] = f"{', '.join(names)}, or a .json file of your own"
    for module, family in declared.items():
        for name, command in family.items():
            _add(commands, name, command, f"{module}:{name.replace('-', '_')}", shared)
    return parser


def _add(commands: Any, name: str, command: dict[str, Any], function: str, shared: dict[str, Any]) -> None:
    summary = command.pop("help")
    parser = commands.add_parser(
        name,
        help=summary,
        description=command.pop("description", f"{summary[0].upper()}{summary[1:]}."),
        formatter_class=_HelpFormatter,
        allow_abbrev=False,  # `prepare` passes unknown options on to Beam, which might match ours
    )
    actions, groups, used = command.pop("actions", {}), command.pop("groups", {}), command.pop("shared", [])
    places: list[tuple[Any, dict[str, Any]]] = [(parser, {name: {} for name in used} | command)]
    places += [(parser.add_argument_group(title), members) for title, members in groups.items()]
    options = {}
    for place, arguments in places:
        for argument, settings in arguments.items():
            added = place.add_argument(argument, **_settings(argument, {**shared.get(argument, {}), **settings}))
            if added.option_strings:
                options[added.dest] = argument
    parser.set_defaults(command=function, options=options, prog=parser.prog)
    if actions:
        sub = parser.add_subparsers(required=True, metavar="ACTION")
        for action, declared in actions.items():
            _add(sub, action, declared, f"{function}_{action}", shared)


def _settings(argument: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Turn declared settings into those of `add_argument`."""
    if not settings.keys() & {"action", "choices", "metavar"}:
        settings["metavar"] = argument.lstrip("-").upper()
    if settings.pop("repeatable", False):
        settings |= {"action": "append", "default": []}
    if isinstance(settings.get("metavar"), list):
        settings["metavar"] = tuple(settings["metavar"])
    limits = {name: settings.pop(name) for name in ("min", "above", "max") if name in settings}
    if "type" in settings:
        settings["type"] = partial(_TYPES[settings["type"]], **limits)
    return settings


def _number(kind: type[int | float], text: str, **limits: float) -> float:
    lowest, highest = limits.get("min", limits.get("above", -math.inf)), limits.get("max", math.inf)
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    if not lowest <= value <= highest or value == limits.get("above"):
        words = {"min": "at least", "above": "above", "max": "at most"}
        allowed = " and ".join(f"{words[name]} {limit:,}" for name, limit in limits.items())
        whole = "a whole number" if kind is int else "a number"
        raise argparse.ArgumentTypeError(f"{text}: give {whole}{allowed and ', '}{allowed}")
    return value


def assignment(text: str) -> tuple[str, Any]:
    """Convert NAME=VALUE; the value is read as JSON where possible, otherwise kept as text."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text}: give NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _baseline(text: str) -> str | int:
    if text != "none" and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text}: give the number of a version, or none")
    return text if text == "none" else int(text)


def new_folder(text: str) -> Path:
    """Convert the path of a folder to write to; a place that cannot be written is refused before any work is done."""
    if not text:
        raise argparse.ArgumentTypeError("the path is empty; give a folder")
    path = Path(text)
    there = next(place for place in (path, *path.parents) if place.exists())
    if not there.is_dir():
        raise argparse.ArgumentTypeError(f"{there} is not a folder; give another path")
    if not os.access(there, os.W_OK | os.X_OK):
        raise argparse.ArgumentTypeError(f"{there} cannot be written to; give another path")
    return path


def _folder_or_url(text: str) -> str:
    return text if "://" in text else str(new_folder(text))


def _report_folder(text: str) -> Path:
    from tfdeepviz.artifacts import kind_of  # help needs nothing of it

    path = new_folder(text)
    if kind := kind_of(path):
        raise argparse.ArgumentTypeError(f"{path} holds a {kind}; give a folder of its own")
    return path


def _new_file(text: str) -> Path:
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{path} is a folder; give the path of a file")
    return new_folder(str(path.parent)) / path.name


def _analysis(text: str) -> Path:
    return _new_file(text) if Path(text).suffix in (".json", ".npz", ".csv") else new_folder(text)


#: Converters of texts, which `commands.toml` names.
_TYPES: dict[str, Callable[..., Any]] = {
    **{"text": str, "int": partial(_number, int), "float": partial(_number, float)},
    **{"path": Path, "new-folder": new_folder, "new-file": _new_file, "analysis": _analysis},
    **{"folder-or-url": _folder_or_url, "report-folder": _report_folder},
    **{"assignment": assignment, "baseline": _baseline},
}
