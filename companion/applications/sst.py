"""Sea-surface temperature: next month's, from the last twelve.

The series is the surface of the sea off Peru, where El Niño shows first, month by month from 1950
to 2010. Its seasons are known; what is forecast is the anomaly, the difference from what the
month is like on average. Averages and scale are those of the training years.
"""

from dataclasses import dataclass

import numpy as np

from companion import datasets
from companion.applications.base import Application, Data, Metric, Split, option

#: The first month that is validated, and the first that is tested: 35, 12 and 14 years.
VALIDATED, TESTED = np.datetime64("1985-01"), np.datetime64("1997-01")


@dataclass(frozen=True, eq=False)
class Months(Data):
    """Windows of months, and the series that they are of.

    Parameters
    ----------
    celsius
        (732,) float64, the series.
    season
        (732,) float64, each month's average over the training years.
    scale
        The standard deviation of the training years' anomalies.
    damping
        How much of an anomaly is left on average at the forecast's distance.
    months
        By part, the places of its targets in the series, (N,) int64.
    """

    celsius: np.ndarray
    season: np.ndarray
    scale: float
    damping: float
    months: dict[str, np.ndarray]

    @property
    def anomaly(self) -> np.ndarray:
        """The series less its seasons, (732,)."""
        return self.celsius - self.season


@dataclass(frozen=True, kw_only=True)
class SeaSurfaceTemperature(Application):
    """Forecast the sea-surface temperature off Peru, a month or more ahead.

    The network reads a window of anomalies and the calendar, and answers with the anomaly
    ``horizon`` months later. Its rivals: the anomaly stays (seasonal persistence), it decays
    as it does on average (damped persistence), all is as it was a year before (last year).
    """

    name = "sst"
    metric = Metric("RMSE", "°C")

    epochs: int = 40
    units: int = 32
    dropout: float = 0.2
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    window: int = option(12, "months that the network reads", least=1, most=240)
    horizon: int = option(1, "months from the last one read to the one forecast", least=1, most=12)

    def prepare(self) -> Months:  # noqa: D102
        series = datasets.elnino()
        months = np.arange(len(series))
        calendar = series.times.astype(int) % 12
        first, second = (int(np.searchsorted(series.times, t)) for t in (VALIDATED, TESTED))
        trained = months < first

        averages = [series.values[trained & (calendar == m)].mean() for m in range(12)]
        season = np.array(averages)[calendar]
        anomaly = series.values - season
        scale = float(anomaly[trained].std())
        before, after = anomaly[: first - self.horizon], anomaly[self.horizon : first]
        angle = 2 * np.pi * calendar / 12
        inputs = np.stack([anomaly / scale, np.sin(angle), np.cos(angle)], 1).astype(np.float32)
        target = (anomaly / scale).astype(np.float32)

        def split(of):
            last = of - self.horizon  # the last month that is read
            read = last[:, None] + np.arange(1 - self.window, 1)
            return Split((inputs[read],), target[of])

        months = months[self.window - 1 + self.horizon :]  # those with a whole window
        parts = {
            "train": months[months < first],
            "validation": months[(months >= first) & (months < second)],
            "test": months[months >= second],
        }
        sizes = [f"{len(part)} months to {series.times[part[-1]]}" for part in parts.values()]
        return Months(
            *map(split, parts.values()),
            about="{} to train, {} to validate, {} to test".format(*sizes),
            celsius=series.values,
            season=season,
            scale=scale,
            damping=float(before @ after / (before @ before)),
            months=parts,
        )

    def network(self, data):  # noqa: D102
        from companion.applications.networks import Forecaster

        return Forecaster(self, input_size=3)

    def loss(self, output, target):  # noqa: D102
        from torch.nn.functional import mse_loss

        return mse_loss(output, target)

    def score(self, data, part, outputs):  # noqa: D102
        months = data.months[part]
        return _rmse(data, months, data.season[months] + data.scale * outputs)

    def baselines(self, data):  # noqa: D102
        months = data.months["test"]
        known = data.anomaly[months - self.horizon]
        return {
            "damped persistence": _rmse(data, months, data.season[months] + data.damping * known),
            "seasonal persistence": _rmse(data, months, data.season[months] + known),
            "last year": _rmse(data, months, data.celsius[months - 12]),
        }


def _rmse(data, months, forecast):
    return float(np.sqrt(np.mean((forecast - data.celsius[months]) ** 2)))


APPLICATION = SeaSurfaceTemperature
