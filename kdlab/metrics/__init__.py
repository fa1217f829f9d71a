"""What a model answers, and what is read off its answers."""

from kdlab.metrics.answers import predict
from kdlab.metrics.classification import (
    accuracy,
    accuracy_interval,
    agreement,
    calibration_error,
    entropy,
    negative_log_likelihood,
    recall,
)
from kdlab.metrics.rare import average_precision, brier_score, predicted_total, recall_at_budget
from kdlab.metrics.representation import debiased_cka, linear_cka, probe, recall_at_1

__all__ = [
    "accuracy", "accuracy_interval", "agreement", "average_precision", "brier_score", "calibration_error",
    "debiased_cka", "entropy", "linear_cka", "negative_log_likelihood", "predict", "predicted_total", "probe",
    "recall", "recall_at_1", "recall_at_budget",
]  # fmt: skip
