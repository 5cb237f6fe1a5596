r"""Replay ways of choosing RL branches on finished ones: compute spent and points missed.

    snakemake results/released/curves.csv results/released/subphases.csv \
        --config study=released
    python benchmarks/replay.py [--released results/released] [--redraws 20] [--planted 200]

The protocol is in docs/replay.md: what is tuned, on what, and what the columns mean. No pass@k: the
released files hold one score a benchmark and no generations.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from replay_policies import BASELINES, GRID, AdaptiveReplay, list_settings
from replay_pools import Pool, join_pools, plant_studies, read_released_pools, redraw_noise

from retu.config.adaptive import AdaptiveSettings

ROOT = Path(__file__).resolve().parents[1]
SHARES = (0.27, 0.30, 0.33, 0.36, 0.40)
"""Largest mean shares of compute, on the sets that tuning sees, of settings that it may choose."""
SHIPPED = 0.36
"""The one that the defaults of the package are chosen at."""
WORST_WEIGHT = 0.5
"""What the worst set's regret counts beside the mean's."""
TUNING_REDRAWS, TUNING_SEED = 8, 1000
REPORT_SEED, PLANTED_SEED = 2000, 3000
"""Noise that the tables show is none that tuning saw."""

Table = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


class Tuned(NamedTuple):
    """The setting chosen without a data set, and what it does on those it was chosen on."""

    left_out: str
    settings: AdaptiveSettings
    share: float
    regret: float


def measure_settings(pools: list[Pool], settings: list[AdaptiveSettings]) -> Table:
    """Share and regret of every setting on every pool, its scores as released and redrawn.

    Returns:
        Shape (settings, pools, 1 + redraws, 2).
    """
    rows = []
    for pool in pools:
        redrawn = [redraw_noise(pool, TUNING_SEED + i) for i in range(TUNING_REDRAWS)]
        replays = [AdaptiveReplay(one) for one in (pool, *redrawn)]
        rows.append([[replay.run(one) for one in settings] for replay in replays])
        print(f"measured {len(settings)} settings on {pool.name}", flush=True)
    return np.array(rows).transpose(2, 0, 1, 3)


def choose_setting(figures: Table, seen: list[int], most: float) -> int:
    """The setting of least mean plus half of the worst regret over the pools `seen`.

    Only settings count whose mean share of compute there is at most `most`.
    """
    share, regret = figures[:, seen].mean(axis=2).transpose(2, 0, 1)
    badness = regret.mean(axis=1) + WORST_WEIGHT * regret.max(axis=1)
    allowed = share.mean(axis=1) <= most
    if not allowed.any():
        return int(share.mean(axis=1).argmin())
    return int(np.where(allowed, badness, np.inf).argmin())


def tune_without(
    pools: list[Pool], figures: Table, settings: list[AdaptiveSettings], most: float
) -> list[Tuned]:
    """The choice without each pool in turn, and last the one on all of them."""
    found = []
    for left_out in [*range(len(pools)), None]:
        seen = [i for i in range(len(pools)) if i != left_out]
        best = choose_setting(figures, seen, most)
        share, regret = figures[best][seen].mean(axis=(0, 1))
        name = "none" if left_out is None else pools[left_out].name
        found.append(Tuned(name, settings[best], float(share), float(regret)))
    return found


def replay_policies(pools: list[Pool], chosen: list[dict[str, AdaptiveSettings]]) -> pd.DataFrame:
    """One row a policy and pool: share of exhaustive compute, regret.

    `chosen` has the settings of the adaptive policy for every pool, by what the policy is called.
    """
    rows = []
    for pool, settings in zip(pools, chosen, strict=True):
        replay = AdaptiveReplay(pool)
        found = {name: policy(pool) for name, policy in BASELINES.items()}
        found |= {name: replay.run(one) for name, one in settings.items()}
        rows += [
            {"policy": name, "pool": pool.name, **out._asdict()} for name, out in found.items()
        ]
    return pd.DataFrame(rows)


def summarise_pools(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a policy: compute in percent, regret by pool, mean and worst."""
    wide = rows.pivot(index="policy", columns="pool", values="regret")
    share = 100 * rows.groupby("policy")["share"].mean()
    least, most = (100 * getattr(rows.groupby("policy")["share"], n)() for n in ("min", "max"))
    table = pd.DataFrame({"compute %": share, "from": least, "to": most, **wide})
    table["mean"], table["worst"] = wide.mean(axis=1), wide.max(axis=1)
    return table.reindex(rows["policy"].drop_duplicates()).round(2)


def summarise_spread(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a policy: mean of compute and regret over pools and draws, with their spread."""
    groups = rows.groupby("policy")
    by_pool = rows.groupby(["policy", "pool"])["regret"].mean()
    table = pd.DataFrame(
        {
            "compute %": 100 * groups["share"].mean(),
            "SD": 100 * groups["share"].std(),
            "regret": groups["regret"].mean(),
            "5%": groups["regret"].quantile(0.05),
            "95%": groups["regret"].quantile(0.95),
            "worst pool": by_pool.groupby("policy").max(),
            "below 0.5": 100 * groups["regret"].agg(lambda values: (values < 0.5).mean()),
        }
    )
    return table.reindex(rows["policy"].drop_duplicates()).round(2)


def describe_choice(tuned: Tuned) -> str:
    """What was chosen without a data set, and what it does on the others."""
    told = tuned.settings.model_dump(include={"start", "undecided", *GRID})
    return (
        f"without {tuned.left_out}: {told}; on the others {tuned.share:.0%},"
        f" {tuned.regret:.2f} points"
    )


def main() -> None:
    """Tune without each data set, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--released", type=Path, default=ROOT / "results/released")
    parser.add_argument("--redraws", type=int, default=20)
    parser.add_argument("--planted", type=int, default=200)
    options = parser.parse_args()
    pools, settings = read_released_pools(options.released), list_settings()
    figures = measure_settings(pools, settings)
    tuned = {most: tune_without(pools, figures, settings, most) for most in SHARES}
    for most, found in tuned.items():
        print(f"\nchosen to spend at most {most:.0%}", *map(describe_choice, found), sep="\n")
    left_out = [
        {f"adaptive, {most:.0%}": found[i].settings for most, found in tuned.items()}
        for i in range(len(pools))
    ]
    print("\nReleased, every set left out of its tuning")
    print(summarise_pools(replay_policies(pools, left_out)).to_string())
    redrawn = [
        replay_policies([redraw_noise(pool, REPORT_SEED + i) for pool in pools], left_out)
        for i in range(options.redraws)
    ]
    print(f"\nThe same with new evaluation noise, {options.redraws} draws")
    print(summarise_spread(pd.concat(redrawn)).to_string())
    defaults = {"adaptive, the choice on all five": tuned[SHIPPED][-1].settings}
    print("\nAll five sets as one pool")
    print(summarise_pools(replay_policies([join_pools(pools)], [defaults])).to_string())
    planted = list(plant_studies(PLANTED_SEED, options.planted))
    print(f"\n{options.planted} planted studies")
    rows = replay_policies(planted, [defaults] * len(planted))
    print(summarise_spread(rows).drop(columns="worst pool").to_string())


if __name__ == "__main__":
    main()
