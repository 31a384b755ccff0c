"""From settings to what judges: which rules there are, who is told, what an earlier run knew."""

from pathlib import Path

from kato_panel.alarms import Alarms
from kato_panel.config import TOML_FILE, Settings
from kato_panel.domain.built_in import built_in_rules
from kato_panel.history import History
from kato_panel.recall import Recalled
from kato_panel.rule_files import RuleFiles
from kato_panel.watcher import now


def rule_files(settings: Settings, tried: Path | None = None, *, alone: bool = False) -> RuleFiles:
    """
    Say where rules stand, beside those that are built in.

    Parameters
    ----------
    settings
        Where thresholds are set.
    tried
        Read as the service would if the settings named it: in place of the rules' file that they
        name, unless it is the settings' file itself.
    alone
        Read nothing else; without those that are built in.
    """
    of_settings = Path(TOML_FILE)
    named = [Path(settings.rules_file)] if settings.rules_file and not alone else []
    may_lack = [] if alone else [of_settings]
    if tried is not None and tried.exists() and tried.absolute() == of_settings.absolute():
        may_lack = [of_settings]
    elif tried is not None:
        named = [tried]
    built_in = (
        ()
        if alone
        else built_in_rules(
            cpu_percent=settings.alert_cpu_percent,
            memory_percent=settings.alert_memory_percent,
            error_ratio=settings.alert_error_ratio,
            cooldown_seconds=settings.alert_cooldown_seconds,
        )
    )
    return RuleFiles(
        built_in, named, may_lack=may_lack, cooldown_seconds=settings.alert_cooldown_seconds
    )


class Alerting:
    """
    Makes what judges.

    Parameters
    ----------
    settings
        Where rules and services are named.

    Attributes
    ----------
    files
        Where the rules stand.
    rules
        All that are judged at the start.

    Raises
    ------
    ConfigError
        If a rule is wrong, or a file of them cannot be read: names each mistake with its line.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.files = rule_files(settings)
        self.rules = self.files.read()

    def make(self, history: History | None, recalled: Recalled) -> Alarms:
        """
        Make it, with what an earlier run knew.

        Parameters
        ----------
        history
            Where alerts are kept; ``None`` for nowhere.
        recalled
            What was found there.
        """
        alarms = Alarms(
            self.rules,
            self._settings.targets,
            record=_forget if history is None else history.record,
            settle=_wait_for_nothing if history is None else history.flush,
            clock=now,
        )
        # What another process writes, it sends, too.
        is_ours = history is not None and history.status.trouble is None
        alarms.restore(recalled.alerts, recalled.silences, recalled.unsent if is_ours else ())
        return alarms


def _forget(items: object) -> None:
    """Keep nothing."""


def _wait_for_nothing() -> None:
    """Be done at once: nothing is kept."""
