"""The command line, run in this process."""

import sys

import pytest

from wasmdeploy_cli.main import main


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run the command line in an empty directory: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["wasmdeploy", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        return caught.value.code or 0, out, err

    return run
