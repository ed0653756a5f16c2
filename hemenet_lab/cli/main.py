"""The `hemenet` command: finds what was chosen, and imports only that."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module

DESCRIPTION = "Multi-task learning on protein structures: data, training, predictions, benchmarks."
SAME = "start the same command again to go on."


@dataclass(frozen=True)
class Command:
    """Entry of a command in the table: its help and where to import it from.

    Args:
        help: One line for the list of commands.
        target: ``module:function``; the function's parameters become the options.
        kept: What an interruption leaves.
        whole: The function takes all words as they are, as `lightning` does.
    """

    help: str
    target: str = ""
    kept: str = "Nothing was changed."
    whole: bool = False


LIGHTNING = "hemenet_lab.cli.lightning_adapter:run_lightning"
COMMANDS: dict[str, Command] = {
    "data": Command("fetch, build, inspect and check data sets"),
    "data sources": Command("print where the raw files come from", "hemenet_lab.cli.data:sources"),
    "data fetch": Command(
        "get the raw files from the public sources",
        "hemenet_lab.cli.data:fetch",
        f"The files that had arrived are kept; {SAME}",
    ),
    "data build": Command(
        "make a store from raw files",
        "hemenet_lab.cli.data:build",
        f"The structures that were read are kept beside the store; {SAME}",
    ),
    "data embed": Command(
        "make embeddings of a store's residues by a protein language model",
        "hemenet_lab.cli.data:embed",
        f"The embeddings that were made are kept; {SAME}",
    ),
    "data inspect": Command("print what a store holds", "hemenet_lab.cli.data:inspect"),
    "data verify": Command(
        "check a store, with code that the build does not use", "hemenet_lab.cli.data:verify"
    ),
    "data export": Command(
        "write a store as Parquet, CSV, or files for PyTorch Geometric",
        "hemenet_lab.cli.data:export",
        "Nothing was written.",
    ),
    "encoders": Command(
        "list the encoders, ours and plugged-in ones", "hemenet_lab.cli.encoders:encoders"
    ),
    "recipes": Command(
        "list the experiments and configs that come with the package",
        "hemenet_lab.cli.recipes:recipes",
    ),
    "init": Command(
        "write copies of them into a folder, to edit",
        "hemenet_lab.cli.recipes:init",
        f"The files that were written are kept; {SAME}",
    ),
    "fit": Command("train, as `lightning fit`", LIGHTNING, whole=True),
    "pretrain": Command(
        "train an encoder on structures without labels, for --init_from", LIGHTNING, whole=True
    ),
    "validate": Command("evaluate on the validation split", LIGHTNING, whole=True),
    "test": Command("evaluate on the test split", LIGHTNING, whole=True),
    "predict": Command(
        "predict from structure files with a checkpoint",
        "hemenet_lab.cli.predict:predict",
        f"What --out has got is kept; {SAME}",
    ),
    "embed": Command(
        "write a model's embeddings of structure files", "hemenet_lab.cli.predict:embed"
    ),
    "explain": Command(
        "show which residues a prediction rests on", "hemenet_lab.cli.explain:explain"
    ),
    "models": Command(
        "list the runs that are there, with their scores", "hemenet_lab.cli.models:models"
    ),
    "release": Command(
        "write a model to give away, without pickle", "hemenet_lab.cli.release:release"
    ),
    "benchmark": Command("run grids of trainings and show their results"),
    "benchmark run": Command(
        "run what is not finished of a grid",
        "hemenet_lab.cli.benchmark:run",
        f"Finished runs and the last checkpoint of the others are kept; {SAME}",
    ),
    "benchmark status": Command("tell how far a grid is", "hemenet_lab.cli.benchmark:status"),
    "benchmark table": Command(
        "print the results of a grid beside the paper's", "hemenet_lab.cli.benchmark:table"
    ),
    "benchmark figures": Command(
        "draw the figures of a grid as PNG and SVG", "hemenet_lab.cli.benchmark:figures"
    ),
    "benchmark baselines": Command(
        "print what plain methods reach on a store", "hemenet_lab.cli.benchmark:baselines"
    ),
    "benchmark llm": Command(
        "ask a large language model for affinities, as a further row",
        "hemenet_lab.cli.benchmark:llm",
        f"The answers that had come are kept; {SAME}",
    ),
    "benchmark report": Command(
        "write all results of a grid as one HTML page", "hemenet_lab.cli.benchmark:report"
    ),
}
"""Every command; those without a target are groups."""
OTHER_NAMES = {"report": "benchmark report"}
LIGHTNINGS_OPTIONS = ("-c", "--config", "--ckpt_path", "--ckpt-path")
"""Options by which `hemenet predict` is Lightning's, on a data set and not on files."""


def hemenet(args: Sequence[str] | None = None) -> int:
    """Entry point of the `hemenet` command.

    Args:
        args: Words after the command; those of the shell if None.

    Returns:
        The exit status: 0 if all went well, 2 for a user's mistake, 130 after an interruption.
    """
    words = list(sys.argv[1:] if args is None else args)
    if words[:1] in (["--version"], ["-V"]):
        from importlib.metadata import version

        print(f"hemenet-lab {version('hemenet-lab')}")
        return 0
    name, rest = split_command(words)
    command = COMMANDS.get(name)
    if command is None or not command.target:
        return _overview(name, rest)
    if name == "predict" and any(w.partition("=")[0] in LIGHTNINGS_OPTIONS for w in rest):
        command = COMMANDS["fit"]  # the same function; the words say predict
    try:
        if command.whole:
            return _lightning(command, None if args is None else words, words)
        from hemenet_lab.cli.command import call

        return call(_function(command), rest, f"hemenet {name}")
    except (ValueError, OSError) as error:
        if command.whole:
            raise
        print(f"hemenet: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"hemenet: interrupted. {command.kept}", file=sys.stderr)
        return 130


def split_command(words: Sequence[str]) -> tuple[str, list[str]]:
    """The longest known command that the words begin with, and the words after it."""
    for length in (2, 1):
        name = " ".join(words[:length])
        name = OTHER_NAMES.get(name, name)
        if len(words) >= length and name in COMMANDS:
            return name, list(words[length:])
    return "", list(words)


def _function(command: Command) -> object:
    module, _, function = command.target.partition(":")
    return getattr(import_module(module), function)


def _lightning(command: Command, given: list[str] | None, words: list[str]) -> int:
    function = _function(command)
    assert callable(function)
    function(given)
    return 0


def _overview(group: str, words: Sequence[str]) -> int:
    """Print the commands of a group, or what is wrong with the word that should be one."""
    prefix = f"{group} " if group else ""
    known = {
        name.removeprefix(prefix): command.help
        for name, command in COMMANDS.items()
        if name.startswith(prefix) and " " not in name.removeprefix(prefix)
    }
    where = f"hemenet {group}".strip()
    if words and words[0] not in ("-h", "--help"):
        close = get_close_matches(words[0], known, n=1)
        hint = f" did you mean {close[0]!r}?" if close else ""
        print(
            f"{where}: unknown command {words[0]!r};{hint} choose one of {', '.join(known)}",
            file=sys.stderr,
        )
        return 2
    width = max(map(len, known))
    lines = [f"usage: {where} COMMAND …", "", COMMANDS[group].help if group else DESCRIPTION, ""]
    lines += [f"  {name:<{width}}  {text}" for name, text in known.items()]
    lines += ["", f"{where} COMMAND --help lists the options of a command."]
    print("\n".join(lines), file=sys.stdout if words else sys.stderr)
    return 0 if words else 2
