"""What components have in common that are fed by a view: it works while they are shown."""

from collections.abc import Callable
from typing import Any

from panel.custom import JSComponent


class FollowingBoard(JSComponent):
    """
    An ESM component whose view follows its models while it is shown somewhere, and no longer.

    Parameters
    ----------
    follow, release
        Called when it is about to be shown, and when it no longer is.
    """

    _esm = ""

    def __init__(
        self, *, follow: Callable[[], None], release: Callable[[], None], **values: Any
    ) -> None:
        self._follow, self._release = follow, release
        super().__init__(**values)

    def _get_model(self, *args: Any, **kwargs: Any) -> Any:
        """Panel's own hook: this is about to be shown, in one more place."""
        self._follow()
        return super()._get_model(*args, **kwargs)

    def _update_properties(self, *events: Any, doc: Any) -> dict[str, Any]:
        """Say what changed; Panel's own hook, which would ask its design about styles each time."""
        del doc
        changed: dict[str, Any] = self._process_param_change(
            {event.name: event.new for event in events}
        )
        return changed

    def _cleanup(self, root: Any = None) -> None:
        """Panel's own hook: this is no longer shown there."""
        super()._cleanup(root)
        if not self._models:
            self._release()
