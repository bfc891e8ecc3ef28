"""The model that the labels are bought for: logistic regression on 64 principal components, trained anew each round."""

from __future__ import annotations

import warnings

import numpy as np
from data import CLASSES
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

COMPONENTS = 64


def fit_embedding(images: np.ndarray) -> PCA:
    """Principal components of the pool, labels unseen."""
    return PCA(COMPONENTS, svd_solver="randomized", random_state=0).fit(images)


class Model:
    """A classifier whose probabilities have a column for each class, seen in training or not."""

    def __init__(self, features: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> None:
        self._constant = int(labels[0]) if len(np.unique(labels)) == 1 else None
        if self._constant is None:
            self._pipeline: Pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                self._pipeline.fit(features, labels, logisticregression__sample_weight=weights)

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        result = np.zeros((len(features), len(CLASSES)), dtype=np.float32)
        if self._constant is not None:
            result[:, self._constant] = 1
        else:
            result[:, self._pipeline[-1].classes_] = self._pipeline.predict_proba(features)
        return result


def recalls(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The share of each class's samples that the model gets right."""
    right = probabilities.argmax(axis=1) == truth
    return np.array([right[truth == label].mean() for label in range(len(CLASSES))])
