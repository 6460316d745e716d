"""What happened in training, one number an epoch and column."""

import json
import math
from dataclasses import dataclass, field


@dataclass
class History:
    """One number for every epoch, by column: ``history["loss"]`` is a list.

    Attributes
    ----------
    columns
        ``loss``; ``validation_loss`` and a column a metric, if there is a validation set;
        ``gradient_norm``, the mean over the epoch's steps, before clipping; ``learning_rate``, of
        the first group of parameters, at the epoch's last step; ``seconds``.
    stopped
        Why training ended: ``"epochs"`` (all are done) or ``"patience"``; ``None`` while it runs.

    Examples
    --------
    >>> history = History()
    >>> history.append({"loss": 2.0, "validation_loss": 1.5})
    >>> history.append({"loss": 1.0, "validation_loss": 1.75})
    >>> history["loss"], len(history), history.best_epoch
    ([2.0, 1.0], 2, 1)
    """

    columns: dict[str, list[float]] = field(default_factory=dict)
    stopped: str | None = None

    def append(self, row: dict[str, float]) -> None:
        """Add an epoch."""
        if self.columns and row.keys() != self.columns.keys():
            raise ValueError(f"row has the columns {list(row)}, expected {list(self.columns)}")
        for name, value in row.items():
            self.columns.setdefault(name, []).append(float(value))

    def __getitem__(self, column: str) -> list[float]:
        if column not in self.columns:
            raise KeyError(f"there is no column {column!r}, only {', '.join(self.columns)}")
        return self.columns[column]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))

    @property
    def best_epoch(self) -> int | None:
        """The first epoch, from 1, with the lowest validation loss; ``None`` without an epoch.

        Without a validation set it is the one with the lowest loss.
        """
        if not len(self):
            return None
        losses = self.columns.get("validation_loss", self.columns.get("loss"))
        # NaN is no loss that anything could be compared with.
        losses = [math.inf if math.isnan(value) else value for value in losses]
        return losses.index(min(losses)) + 1

    @property
    def since_best(self) -> int:
        """How many epochs ago the best one was."""
        return len(self) - (self.best_epoch or 0)

    def to_json(self) -> str:
        """Return it as JSON, which :meth:`from_json` reads back exactly."""
        # JSON has no word for nan and inf.
        columns = {
            name: [value if math.isfinite(value) else str(value) for value in values]
            for name, values in self.columns.items()
        }
        about = {"best_epoch": self.best_epoch, "stopped": self.stopped, "columns": columns}
        return json.dumps(about, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "History":
        """Return what :meth:`to_json` wrote."""
        about = json.loads(text)
        columns = {name: [float(v) for v in values] for name, values in about["columns"].items()}
        return cls(columns, about["stopped"])

    def plot(self):
        """Return a Matplotlib figure: losses above, with the best epoch marked; then each metric.

        In a notebook, ``companion.plots.show(history.plot())`` shows it.

        Raises
        ------
        ValueError
            If there is no epoch yet.
        """
        from companion import plots

        if not len(self):
            raise ValueError("history has no epoch yet, so there is nothing to plot")
        known = ("loss", "validation_loss", "gradient_norm", "learning_rate", "seconds")
        panels = ["loss", *(name for name in self.columns if name not in known)]
        fig, axes = plots.figure(
            1.2 + 1.6 * len(panels), rows=len(panels), sharex=True, squeeze=False
        )
        epochs = range(1, len(self) + 1)
        for ax, panel in zip(axes[:, 0], panels, strict=True):
            curves = {panel: ("training", "muted", "o--")}
            if panel != "loss":
                curves = {panel: ("", "h", "o-")}
            elif "validation_loss" in self.columns:
                curves["validation_loss"] = ("validation", "h", "o-")
            highest = max(self[column][-1] for column in curves)
            for column, (text, colour, style) in curves.items():
                values = self[column]
                ax.plot(epochs, values, style, color=plots.colour(colour), markersize=3)
                side = "bottom" if values[-1] == highest else "top"  # two that end at one place
                plots.label(ax, len(self), values[-1], text, colour, va=side)
            ax.axvline(self.best_epoch, color=plots.colour("faint"), zorder=0)
            ax.set_ylabel(panel)
            ax.margins(x=0.08, y=0.12)
        axes[0, 0].annotate(
            "best",
            (self.best_epoch, 1),
            xycoords=axes[0, 0].get_xaxis_transform(),
            xytext=(3, -2),
            textcoords="offset points",
            va="top",
            color=plots.colour("muted"),
        )
        axes[-1, 0].set_xlabel("epoch")
        axes[-1, 0].xaxis.get_major_locator().set_params(integer=True)
        return fig
