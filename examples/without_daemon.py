"""Selection from numpy arrays, without any daemon: which digits to pay for next.

    build/venv/bin/python examples/without_daemon.py

The cells (# %%) run one by one in an editor that knows them, or all together as a script. The data are scikit-learn's
1,797 digits: 600 to test with, the others the pool, some of which cost more than others; the model is a logistic regression.
"""

# %% A pool, a few labels, and what the model says of the rest
import numpy as np
from curated import duplicates, neighbors, outliers, select
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

digits = load_digits()
images = (digits.data / 16).astype(np.float32)
rng = np.random.default_rng(0)
test = rng.permutation(len(images))[:600]
pool = np.setdiff1d(np.arange(len(images)), test)
embeddings, truth = images[pool], digits.target[pool]  # whoever labels knows the truth
prices = np.where(rng.random(len(pool)) < 0.2, 0.40, 0.08)  # dollars: a fifth of the images is hard to read
start = rng.permutation(len(pool))[:30]


def fit(labeled):
    return LogisticRegression(max_iter=2000).fit(embeddings[labeled], truth[labeled])


def probabilities(model):
    """One column for each of the ten digits, those that the model has not seen yet too."""
    columns = np.zeros((len(pool), 10), np.float32)
    columns[:, model.classes_] = model.predict_proba(embeddings)
    return columns


# %% One batch for four dollars, and why each image is in it
model = fit(start)
batch = select(
    "auto", budget=4, probs=probabilities(model), embeddings=embeddings, labeled=start, labels=truth[start], prices=prices
)
print(f"auto picks {len(batch)} images for ${batch.cost_usd:.2f}")
print("slot  arm      class  price  uncertainty  weight  gain")
for slot, reason in zip(batch.indices[:5], batch.reasons[:5], strict=True):
    print(
        f"{slot:4}  {reason['arm']:7}  {reason['predicted']:5}  {reason['price_usd']:5.2f}  {reason['uncertainty']:11.3f}"
        f"  {reason['class_weight']:6.2f}  {reason['gain']:5.2f}"
    )

# %% Eight rounds each: what the same money buys with different strategies
print("\nstrategy             labels  accuracy")
for strategy in ("random", "margin", "badge", "kcenter", "typiclust", "auto"):
    labeled, spent = list(start), 0.0
    for turn in range(8):
        chosen = select(
            strategy,
            budget=2,
            probs=probabilities(fit(labeled)),
            embeddings=embeddings,
            labeled=labeled,
            labels=truth[labeled],
            prices=prices,
            seed=turn,
        )
        labeled += chosen.indices.tolist()
        spent += chosen.cost_usd
    accuracy = fit(labeled).score(images[test], digits.target[test])
    print(f"{strategy:20} {len(labeled):6}  {accuracy:8.3f}   (${spent:.2f})")

# %% Rules: at most three images of a writer, a quarter of the batch sixes, no near-duplicates
writer = np.arange(len(pool)) // 40
ruled = select(
    "margin",
    40,
    probs=probabilities(model),
    embeddings=embeddings,
    labeled=start,
    groups=writer,
    group_max=3,
    shares={6: 0.25},
    duplicates=True,
)
sixes = (ruled.reasons["predicted"] == 6).sum()
most = np.bincount(writer[ruled.indices]).max()
print(f"\nwith rules: {len(ruled)} images, {sixes} that look like a six, at most {most} of a writer")

# %% Neighbours: whose label does not look like those around it?
near = neighbors(embeddings, 10)
odd = (truth[near.indices] != truth[:, None]).mean(1)
first = np.argsort(-odd, kind="stable")[:5].tolist()
print(f"\n{(odd > 0.8).sum()} images lie among others of another digit; the first few: {first}")

# %% Duplicates and junk: what not to pay for
twins, strange = duplicates(embeddings), outliers(embeddings)
print(f"{len(twins.extra())} images repeat another within {twins.radius:.2f}; {strange.junk.sum()} lie far from all others")
