"""Typer's help pages and error boxes, without what none of ours shows.

Typer draws them with Rich, and with it loads a parser of Markdown and a highlighter of source code,
which takes as long as all the rest of ``seqgen --help``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["load_pages"]

SELDOM = {"rich.markdown": "Markdown", "rich.traceback": "Traceback"}  # modules, and their classes


def load_pages() -> Any:
    """Typer's module that draws help and errors; what of Rich it seldom needs is loaded when it is.

    While Typer loads it, those modules of Rich are stood for by empty ones with a class each; an
    object of such a class is one of Rich's own.
    """
    absent = {name: kind for name, kind in SELDOM.items() if name not in sys.modules}
    try:
        for name, kind in absent.items():
            sys.modules[name] = ModuleType(name)
            setattr(sys.modules[name], kind, _deferred(name, kind))
        pages = import_module("typer.rich_utils")
    finally:
        for name in absent:
            del sys.modules[name]
    for name in ("highlighter", "negative_highlighter"):
        if not isinstance(getattr(pages, name), _Folding):
            setattr(pages, name, _Folding(getattr(pages, name)))
    return pages


class _Folding:
    """Colours the name of an option, which a narrow terminal is not to cut short."""

    def __init__(self, highlighter: Callable[[Any], Any]) -> None:
        self._highlighter = highlighter

    def __call__(self, name: Any) -> Any:
        text = self._highlighter(name)
        text.overflow = "fold"
        return text


class _Deferred(type):
    """Of a class whose attributes are those of another, loaded when they are asked for."""

    module: str

    def __getattr__(cls, name: str) -> Any:
        return getattr(getattr(import_module(cls.module), cls.__name__), name)


def _deferred(module: str, name: str) -> type:
    def new(_: type, *arguments: Any, **options: Any) -> Any:
        return getattr(import_module(module), name)(*arguments, **options)

    return _Deferred(name, (), {"__new__": new, "module": module})
