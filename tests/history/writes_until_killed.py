"""Writes events until it is killed, and prints each number once it is acknowledged."""

import sys
from pathlib import Path

from kato_panel.history import History
from tests.history.making import KATO, event, record


def main(path: Path, epoch: str) -> None:
    """Open, then write and tell, without an end."""
    history = History.open(f"sqlite:///{path}", KATO, is_demo=False, epoch=epoch)
    print(history.status.trouble or "recording", flush=True)
    seq = 0
    while True:
        few = range(seq + 1, seq + 4)
        history.record([event(n, n) for n in few])
        history.record(record(f"session-{epoch}-{seq}", seq))
        seq += 3
        if history.flush():
            print(seq, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
