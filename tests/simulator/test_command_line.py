import signal
import subprocess
import sys

import httpx
import pytest
from click.testing import CliRunner

from kato_panel.simulator import EmbeddedSimulator
from kato_panel.simulator.__main__ import main

from .conftest import WAIT_SECONDS

COMMAND = [sys.executable, "-W", "error", "-m", "kato_panel.simulator"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_and_ends_on_a_signal(number):
    """One line when it listens, nothing on stderr, exit code 0."""
    with subprocess.Popen(
        [*COMMAND, "--port=0", "--workers=2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as simulator:
        line = simulator.stdout.readline()
        url = line.split()[-1]
        assert line == f"simulator listening at {url}\n"
        assert httpx.get(f"{url}/no-such-path").status_code == 404
        simulator.send_signal(number)
        out, err = simulator.communicate(timeout=WAIT_SECONDS)
    assert (simulator.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--port=70000", "70000 is not in the range 0<=x<=65535"),
        ("--rate=-1", "-1.0 is not in the range 0<=x<=1000"),
        ("--rate=nan", "not in the range"),
        ("--speed=0", "0.0 is not in the range"),
        ("--workers=0", "0 is not in the range 1<=x<=64"),
        ("--workers=many", "'many' is not a valid integer"),
        ("--initial=-1", "-1 is not in the range"),
        ("--colour=red", "No such option"),
    ],
)
def test_bad_value_is_named(option, words):
    """The message says what was given and what is allowed."""
    result = CliRunner().invoke(main, [option])
    assert result.exit_code == 2
    assert words in result.output


def test_taken_port_is_named_in_one_line(tmp_path):
    """No traceback, and the state file is not touched."""
    state = tmp_path / "state"
    with EmbeddedSimulator(rate=0) as first:
        port = first.url.rsplit(":", 1)[1]
        result = CliRunner().invoke(main, ["--port", port, "--state", str(state)])
    assert result.exit_code == 1
    assert f"cannot listen at 127.0.0.1:{port}: " in result.output
    assert len(result.output.splitlines()) == 1
    assert not state.exists()


def test_foreign_state_file_is_named_in_one_line(tmp_path):
    """No traceback."""
    state = tmp_path / "mine.txt"
    state.write_text("dear diary")
    result = CliRunner().invoke(main, ["--port=0", "--state", str(state)])
    assert result.exit_code == 1
    assert "mine.txt is not a state file of the simulator" in result.output
    assert state.read_text() == "dear diary"
