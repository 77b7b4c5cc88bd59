"""The user's configuration file: defaults for the options of each command.

    [sample]
    temperature = 0.8
    top-k = 40

    [train]
    budget = "10m"

Options are named as on the command line, without their dashes. What counts is the command line,
then an environment variable, then this file, then what is built in.
"""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from seqgen.cli.console import Debug, printable
from seqgen.cli.values import read_plainly
from seqgen.errors import InputError, SeqgenError, UsageError

__all__ = ["blamed", "config", "defaults", "location"]

VARIABLE = "SEQGEN_CONFIG"
MAX_FILE_BYTES = 1 << 20


class _Setting(NamedTuple):
    """An option that is not as built in: of which command, where it was set, and to what."""

    section: str
    key: str
    value: Any
    source: str


def location() -> Path | None:
    """Where the file is looked for; None if SEQGEN_CONFIG is empty, for no file at all."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        return Path(named) if named and named != os.devnull else None
    import platformdirs

    return platformdirs.user_config_path("seqgen") / "config.toml"


def defaults(context: typer.Context) -> dict[str, Any]:
    """What the file says, as click's ``default_map`` for the application.

    Raises:
        UsageError: a key is no option, or a value can't be one's.
        InputError: the file that SEQGEN_CONFIG names can't be read, or it is no TOML.
    """
    path = location()
    if path is None or (VARIABLE not in os.environ and not path.is_file()):
        return {}
    import tomllib

    from seqgen.files import read_text

    try:
        values = tomllib.loads(read_text(path, max_bytes=MAX_FILE_BYTES))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"is no TOML: {error}", path=path) from error
    return _defaults(context, context.command, values, f"{path}: ", "")


def _defaults(
    context: typer.Context, command: Any, values: dict[str, Any], path: str, section: str
) -> dict[str, Any]:
    """Args: command: one of click's, or of its copy in Typer; so no class can be asked for."""
    found: dict[str, Any] = {}
    commands = getattr(command, "commands", None)
    options = _options(command)
    for key, value in values.items():
        name = key if commands else key.replace("_", "-")
        place = f"{path}[{section}] {key}" if section else f"{path}[{key}]"
        if name not in (commands or options):
            near = difflib.get_close_matches(name, commands or options, n=1)
            what = f"is no option of `seqgen {section.replace('.', ' ')}`"
            raise UsageError(
                f"{place} {'is no command' if commands else what}"
                + (f"; perhaps {near[0]}" if near else "")
            )
        if commands:
            if not isinstance(value, dict):
                raise UsageError(f"{place} must be a table of options, as in [sample]")
            inner = f"{section}.{name}" if section else name
            found[name] = _defaults(context, commands[name], value, path, inner)
        else:
            found[options[name].name] = _checked(context, options[name], value, place)
    return found


def _checked(context: typer.Context, option: Any, value: Any, place: str) -> Any:
    """The value as the command line would have it."""
    if option.is_flag:
        if not isinstance(value, bool):
            raise UsageError(f"{place} must be true or false")
        return value
    values = value if isinstance(value, list) else [value]
    if len(values) != 1 and not option.multiple:
        raise UsageError(f"{place} must be one value")
    if any(isinstance(each, (bool, dict, list)) for each in values):
        raise UsageError(f"{place} must be a text or a number")
    texts = [str(each) for each in values]
    text = texts if option.multiple else texts[0]
    read_plainly(option)
    try:
        option.process_value(context, text)
    except typer.BadParameter as error:
        raise UsageError(f"{place}{_plainly(error.message, value)}") from error
    return text


def _plainly(message: str, value: Any) -> str:
    """What Typer says of a value, to go on from the option's name."""
    # Of Pydantic: `Input should be a valid integer, unable to parse string as an integer`.
    what, _, _ = message.removeprefix("Value error, ").rstrip(".").partition(", unable")
    if what.startswith("Input should"):
        return f" must{what.removeprefix('Input should')}, not {value!r}"
    return f": {what}"


def blamed(context: Any, error: SeqgenError) -> SeqgenError | None:
    """An error of a command that names the file and its key, if a value from there is at fault.

    Args:
        context: the command's, of click or of its copy in Typer.
    """
    sentence = str(error)
    named = _named(context.command, sentence)
    options, keys = _options(context.command), []
    for name, value in (context.default_map or {}).items():
        source = context.get_parameter_source(name)
        if source is None or source.name != "DEFAULT_MAP":
            continue
        key = next(each for each, option in options.items() if option.name == name)
        values = filter(None, map(str, value if isinstance(value, list) else [value]))
        meant = any(f"'{each}'" in sentence or sentence.startswith(f"{each}: ") for each in values)
        if key in named or (meant and not named):
            keys.append(key)
    if not keys:
        return None
    path: list[str] = []
    on = context
    while on.parent is not None:
        path.insert(0, on.info_name)
        on = on.parent
    start = re.match(rf"(?:--)?{re.escape(keys[0])}(:? )", sentence)
    rest = f": {sentence}"
    if start is not None and len(keys) == 1:  # it is not to be named twice
        rest = start[1] + sentence[start.end() :]
    return type(error)(f"{location()}: [{'.'.join(path)}] {', '.join(keys)}{rest}")


def _named(command: Any, sentence: str) -> set[str]:
    """The options of a command that a sentence names: `temperature must ...`, `... drop -p`."""
    words = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", sentence))
    words.add("--" + re.split(r"[: ]", sentence, maxsplit=1)[0])
    return {
        key
        for key, option in _options(command).items()
        if words.intersection([*option.opts, *option.secondary_opts])
    }


def _options(command: Any) -> dict[str, Any]:
    """The options of a command that a file may set, by each of their long names."""
    return {
        name.removeprefix("--"): option
        for option in command.params
        if option.param_type_name == "option" and not option.is_eager
        for name in option.opts
        if name.startswith("--")
    }


def config(
    context: typer.Context,
    only_path: Annotated[
        bool, typer.Option("--path", help="Only where the configuration file is.")
    ] = False,
    _debug: Debug = False,
) -> None:
    r"""Print where the configuration file is, and what it and the environment set.

    The file holds defaults for options, in a table for each command:

        \[sample]
        temperature = 0.8

    It is config.toml in the platform's place, or what SEQGEN_CONFIG names; empty, none is read. The
    command line comes before the environment (SEQGEN_MODEL), and that before the file.
    """
    path = location()
    if only_path:
        typer.echo(printable(str(path)) if path else "")
        return
    there = "" if path is None or path.is_file() else " (not there)"
    typer.echo(printable(f"# {path or 'no file'}{there}"))
    root = context.find_root()
    section = None
    for setting in _settings(root.command, root.default_map or {}, ""):
        if setting.section != section:
            section = setting.section
            typer.echo(f"\n[{section}]")
        typer.echo(printable(f"{setting.key} = {_toml(setting.value)}  # {setting.source}"))


def _settings(command: Any, values: Any, section: str) -> Iterator[_Setting]:
    for name, inner in getattr(command, "commands", {}).items():
        path = f"{section}.{name}" if section else name
        yield from _settings(inner, values.get(name, {}), path)
    first = {option.name: key for key, option in reversed(_options(command).items())}
    for name, key in reversed(first.items()):
        option = _options(command)[key]
        if isinstance(option.envvar, str) and os.environ.get(option.envvar):
            yield _Setting(section, key, os.environ[option.envvar], option.envvar)
        elif name in values:
            yield _Setting(section, key, values[name], "the file")


def _toml(value: Any) -> str:
    import json

    # JSON's texts, lists and truth values are TOML's too.
    return value if _is_number(value) else json.dumps(value, ensure_ascii=False)


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, str) and math.isfinite(float(value))
    except ValueError:
        return False
