"""``si completion``: completion of commands, options, ids and profiles in bash, zsh and fish."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from transform_hub.cli.command import App
from transform_hub.cli.exits import USAGE, CommandError
from transform_hub.cli.output import note

app = App(help="Completion for bash, zsh and fish.")

BASH = """_si_completion() {
    local IFS=$'\\n'
    COMPREPLY=( $(COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD _SI_COMPLETE=complete_bash "$1") )
}
complete -o default -F _si_completion si
"""

ZSH = """#compdef si
_si_completion() {
    eval $(_TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" _SI_COMPLETE=complete_zsh si)
}
if [ "${funcstack[1]}" = "_si" ]; then
    _si_completion "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
    compdef _si_completion si
fi
"""

FISH = (
    "complete --command si --no-files --arguments "
    "'(env _SI_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args "
    "_TYPER_COMPLETE_ARGS=(commandline -cp) si)' "
    "--condition 'env _SI_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=is-args "
    "_TYPER_COMPLETE_ARGS=(commandline -cp) si'\n"
)

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}

BEGIN, END = "# >>> si completion >>>", "# <<< si completion <<<"

Shell = Annotated[str | None, typer.Argument(metavar="SHELL", help="bash, zsh or fish; by default the one in use.")]


@app.command()
def show(shell: Shell = None) -> None:
    """Print the completion script of a shell."""
    print(SCRIPTS[_chosen(shell)], end="")


@app.command()
def install(shell: Shell = None) -> None:
    """Install completion for new shells."""
    chosen = _chosen(shell)
    path = _path(chosen)
    path.parent.mkdir(parents=True, exist_ok=True)
    before = "" if chosen == "fish" else _without_block(path)
    block = SCRIPTS[chosen] if chosen == "fish" else f"{BEGIN}\n{_hook(chosen)}\n{END}\n"
    path.write_text(before + block)
    note(f"Completion for {chosen} is in {path}: open a new shell")


@app.command()
def uninstall(shell: Shell = None) -> None:
    """Undo `si completion install`."""
    chosen = _chosen(shell)
    path = _path(chosen)
    if not path.exists():
        return
    if chosen == "fish":
        path.unlink()
    else:
        path.write_text(_without_block(path))


@app.command(hidden=True)
def bash() -> None:
    """Print the script for bash, as STH's si does."""
    print(BASH, end="")


def _chosen(shell: str | None) -> str:
    chosen = shell or Path(os.environ.get("SHELL", "")).name
    if chosen not in SCRIPTS:
        name = chosen or "this shell"
        raise CommandError(f"no completion for {name!r}: name one of bash, zsh and fish", code=USAGE)
    return chosen


def _path(shell: str) -> Path:
    if shell == "fish":
        config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
        return Path(config, "fish", "completions", "si.fish")
    return Path(os.environ.get("ZDOTDIR") or Path.home(), ".zshrc") if shell == "zsh" else Path.home() / ".bashrc"


def _hook(shell: str) -> str:
    """The line for the shell's start file: it asks ``si``, if it is there, for the script."""
    return f'command -v si >/dev/null && eval "$(si completion show {shell})"'


def _without_block(path: Path) -> str:
    text = path.read_text() if path.exists() else ""
    head, begin, rest = text.partition(f"{BEGIN}\n")
    return head + rest.partition(f"{END}\n")[2] if begin else text
