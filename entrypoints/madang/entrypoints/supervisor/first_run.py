"""The first `madang up` in an empty folder: a configuration that says in so many words that it runs on the sandbox."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

CONFIGURATION: Final = "madang.toml"
_ABOUT_THE_PROCESS: Final = frozenset(
    {
        "MADANG_HOST",
        "MADANG_PORT",
        "MADANG_BASE_URL",
        "MADANG_DATA_DIR",
        "MADANG_LOG_LEVEL",
        "MADANG_LOG_FORMAT",
        "MADANG_DEBUG",
        "MADANG_SUPERVISED_BY",
    }
)

SANDBOX_CONFIGURATION: Final = """\
# Written by `madang up`, because this folder had no configuration.
# Every provider below is the SANDBOX: no money moves, no SMS leaves this machine, pictures are made without any AI.
# Put real providers in its place before anybody else uses this deployment; `madang plugins list` shows which there are.

environment = "development"
products = ["portraits"]

[routes]
text_model = ["sandbox"]
image_model = ["sandbox"]
payment = ["sandbox"]
sms = ["sandbox"]
email = ["sandbox"]
social = ["sandbox"]
storage = ["local"] # files in the data folder
"""


def make_data_folder(folder: Path) -> None:
    """Closed to other users, and to version control: the secret key and personal data are in there."""
    if folder.exists():
        return
    folder.mkdir(parents=True)
    folder.chmod(0o700)
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")


def is_unconfigured(folder: Path, environment: Mapping[str, str]) -> bool:
    """Neither a file nor a variable says what this deployment is. A variable that does keeps the sandbox out."""
    if (folder / CONFIGURATION).exists():
        return False
    return all(name in _ABOUT_THE_PROCESS for name in environment if name.startswith("MADANG_"))


def write_sandbox_configuration(folder: Path) -> Path:
    """`madang.toml` with the sandbox named for every kind of provider."""
    path = folder / CONFIGURATION
    with path.open("x", encoding="utf-8") as file:
        file.write(SANDBOX_CONFIGURATION)
    return path
