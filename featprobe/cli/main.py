"""The entry point: verbs loaded when used, mistakes told in one line."""

from __future__ import annotations

import importlib
import sys
import warnings
from typing import Any

import click

from featprobe.cli.safe_output import escaping
from featprobe.core._version import __version__
from featprobe.core.errors import FeatprobeError, PluginWarning, Unfinished, nearest, reason

_show = warnings.showwarning
VERBS = {
    "extract": "Run a backbone once over a data set and store its features.",
    "knn": "k nearest neighbours on cached features.",
    "fewshot": "Learning curves from a few labelled items of each class.",
    "linear": "Logistic linear probe, C chosen on validation data.",
    "transfer": "A probe of one data set tested on others, with the gap.",
    "segment": "Segment images by decoders on cached patch tokens.",
    "finetune": "Train a backbone, or a part of it, on the same splits.",
    "predict": "Classes of new images by a saved probe.",
    "zeroshot": "Classes described by texts, for image-text models.",
    "retrieval": "How well images find their captions, and captions their images.",
    "ensemble": "Average the scores of several results on the same test items.",
    "leaderboard": "Rank all results in one table.",
    "study": "Run a published study, its numbers beside ours.",
    "report": "One HTML page of all results, and their figures as files.",
    "compare": "Test which results differ on the same test items.",
    "models": "List the backbones, show one.",
    "show": "Maps of feature sets, tokens as colours.",
    "data": "List the data sets, show one.",
    "cache": "List, verify and remove stored features.",
    "export": "Write stored features as npy, parquet, safetensors, zarr or HDF5.",
    "import": "Bring features made elsewhere into the cache.",
    "doctor": "Say what this machine has, and what a model would need.",
}


class Lazy(click.Group):
    """A group that imports a verb's module only when the verb is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = "import_" if cmd_name == "import" else cmd_name
        command: click.Command = importlib.import_module(f"featprobe.cli.{module}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            ctx.fail(f"no command {args[0]!r}.{nearest(args[0], VERBS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(
    cls=Lazy,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""\b
Examples:
  featprobe extract --model dinov2_vits14 --data ./chest_xrays
  featprobe knn --k 20                    every feature set in the cache
  featprobe linear --data chest_xrays --features cls+mean
  featprobe leaderboard
  featprobe report                        the same as a page, with figures
""",
)
@click.version_option(__version__, prog_name="featprobe")
def cli() -> None:
    """Frozen features of medical images: extract once, probe in seconds.

    Stores and results live in $FEATPROBE_CACHE, or where --cache says.
    """


def main(argv: list[str] | None = None) -> Any:
    """Run the command line; exit 2 with one line for a mistake of the user's.

    Control characters in names are written out, whatever verb prints them.
    """
    with escaping():
        return _main(argv)


def _main(argv: list[str] | None) -> Any:
    requested = sys.argv[1:] if argv is None else argv
    warnings.showwarning = _warned
    if sys.platform == "win32" and not {"-h", "--help", "--version"} & set(requested):
        _fail("featprobe runs on Linux and macOS; on Windows use it in WSL or a container")
    try:
        code = cli.main(args=argv, prog_name="featprobe", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.ClickException as error:
        command = getattr(error, "ctx", None)
        where = f" See '{command.command_path} --help'." if command else ""
        _fail(f"{error.format_message()}{where}", error.exit_code)
    except Unfinished as error:
        if error.code:
            _fail(str(error), error.code)
        print(error)
    except FeatprobeError as error:
        _fail(str(error))
    except OSError as error:  # a full disk, a lost mount, a permission: not a bug of ours
        if isinstance(error, BrokenPipeError):
            sys.stderr.close()
            sys.exit(0)
        _fail(reason(error))
    except (KeyboardInterrupt, click.Abort):
        _fail("stopped; what was committed stays, and the same command goes on from there", 130)


def _warned(message: Any, category: Any, *where: Any, **more: Any) -> None:
    """What a plug-in of another package lacks, in one line; other warnings as they always are."""
    if issubclass(category, PluginWarning):
        print(f"featprobe: {' '.join(str(message).split())}", file=sys.stderr)
    else:
        _show(message, category, *where, **more)


def _fail(message: str, code: int = 2) -> None:
    print(f"featprobe: error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
