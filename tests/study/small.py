"""The quick preset, made so small that a test can run it."""

from learnability.study import Settings, Store, load_settings


def small_settings() -> Settings:
    """Give a study of all five cells that takes seconds."""
    quick = load_settings("quick")
    networks = [
        n.model_copy(update={"units": 5}).model_dump(mode="json")
        for n in quick.networks
    ]
    return quick.changed(
        name="small",
        task={"steps": 12, "inputs": 2, "lags": [1, 3], "coefficients": [0.6, 0.5]},
        training_sequences=32,
        validation_sequences=16,
        diagnosis_sequences=64,
        lags=[1, 2, 4, 8],
        recipe={"epochs": 2, "batch_size": 16},
        options={"exact_windows": 8, "anchors": 2, "resamples": 20},
        networks=networks,
    )


class Watcher:
    """Remembers what a study told."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.skipped: list[str] = []
        self.shares: list[float] = []
        self.outcomes: list = []
        self.said: list[str] = []

    def begin(self, label):
        self.began.append(label)
        return lambda stage, share: self.shares.append(share)

    def kept(self, label):
        self.skipped.append(label)

    def done(self, outcome, finished):
        self.outcomes.append(outcome)

    def tell(self, sentence):
        self.said.append(sentence)


def contents(store: Store) -> dict[str, bytes]:
    """Give all files of all runs but their locks."""
    files = (p for p in (store.folder / "runs").rglob("*") if p.is_file())
    return {
        f"{p.parent.name}/{p.name}": p.read_bytes() for p in files if p.name != "lock"
    }
