"""The entry point of the `recover` script and of `python -m recover`."""

import gc
import signal
import sys

from recover.ui import streams


def main() -> None:
    """Run the command line. `--version` alone is answered before anything heavy is imported."""
    streams.install()
    if sys.argv[1:] == ["--version"]:
        from recover import __version__

        sys.stdout.write(f"recover {__version__}\n")
        sys.exit(1 if streams.product_lost() else 0)
    gc.set_threshold(50_000)  # importing makes many objects and little garbage: a tenth of the start is saved
    from recover.cli import main as command_line

    code = command_line()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is said and done: one more Ctrl-C changes nothing
    sys.exit(code)


if __name__ == "__main__":
    main()
