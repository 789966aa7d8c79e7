"""Text from outside, made safe to show: what a terminal would obey, or an eye would not see, is spelled out.

Source: Unicode Standard, chapters 4.5 (general categories), 5.21 (characters ignored for display) and 23.2 (layout
controls); ECMA-48 (control functions).
"""

from __future__ import annotations

UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Letters and marks by their category that are drawn as nothing."""

BLANKS = "\u00a0\u202f\u3000"

INDENT = "    "


def visible(text: str) -> str:
    """The text in one line. Control characters (line breaks too), bidirectional controls, characters of no width,
    lone surrogates and line separators stand as in a Python literal: \\n, \\x1b, \\u202e. Tabs are four spaces.
    """
    if text.isprintable() and UNSEEN.isdisjoint(text):
        return text
    return "".join(char if _harmless(char) else _spelled(char) for char in text)


def block(text: str) -> str:
    """The same of a text that may have several lines: each further one is set in, so that it cannot pass for a line of
    ours. A line that ends as files of Windows do ends there.
    """
    first, *rest = map(visible, text.replace("\r\n", "\n").split("\n"))
    return "\n".join([_no_command(first), *(_no_command(_set_in(line)) for line in rest)])


def _set_in(line: str) -> str:
    return line if line.startswith(INDENT) else f"{INDENT}{line}".rstrip()


def _no_command(line: str) -> str:
    """A pipeline of GitHub obeys a line that begins with :: (GitHub documentation, "Workflow commands")."""
    return f"{INDENT}| {line}" if line.lstrip().startswith("::") else line


def _harmless(char: str) -> bool:
    return char in BLANKS or (char.isprintable() and char not in UNSEEN)


def _spelled(char: str) -> str:
    return "    " if char == "\t" else ascii(char)[1:-1]
