"""The containers' health check: `python -m aiwfe.healthcheck URL` fails unless the URL answers below 400.

The image of the application has no wget and no curl.
"""

import sys
import urllib.error
import urllib.request

TIMEOUT = 2.5  # seconds; the engine gives the check 3


def main() -> None:
    """SystemExit with the reason when it does not answer, or answers with an error."""
    (url,) = sys.argv[1:]
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            print(answer.status)
    except urllib.error.HTTPError as refused:
        raise SystemExit(f"{url} answers {refused.code}: {refused.read(200).decode(errors='replace')}") from None
    except OSError as failure:
        raise SystemExit(f"{url} does not answer: {failure}") from None


if __name__ == "__main__":
    main()
