"""`python -m tracker` is `labkeeper`."""

from tracker.cli.main import labkeeper

if __name__ == "__main__":
    labkeeper(prog_name="labkeeper")
